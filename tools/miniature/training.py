"""What every phase of the training shares: steps that can be cut off and go on, averaged weights, a log."""

import argparse
import copy
import json
import math
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from tools.miniature.muon import Muon

SHIPPED: Final = Path("models/miniature")


class Ema:
    """A running average of a module's parameters, which draws better than the last ones."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.module = copy.deepcopy(module).eval().requires_grad_(requires_grad=False)
        self._decay = decay
        self._updates = 0

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Move towards the module's parameters, faster while the average is young."""
        self._updates += 1
        decay = min(self._decay, (1 + self._updates) / (10 + self._updates))
        mine, theirs = list(self.module.parameters()), list(module.parameters())
        torch._foreach_lerp_(mine, theirs, 1 - decay)

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint holds of this."""
        return {"module": self.module.state_dict(), "updates": self._updates}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.module.load_state_dict(state["module"])
        self._updates = int(state["updates"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long a phase runs and how fast it learns: a warm-up, then half a cosine down to a twentieth."""

    steps: int
    rate: float
    warm_up: int = 200

    def rate_at(self, step: int) -> float:
        """The learning rate of a step."""
        if step < self.warm_up:
            return self.rate * (step + 1) / self.warm_up
        part = min(1.0, (step - self.warm_up) / max(1, self.steps - self.warm_up))
        return self.rate * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * part)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much a phase takes: where its schedule of steps ends, rows in a step, pictures to draw them from.

    `from_shipped` starts a phase that has no checkpoint from the weights that ship with easel, not from random ones.
    """

    steps: int
    batch: int
    pictures: int
    from_shipped: bool = False


@dataclass(kw_only=True)
class Phase:
    """One phase under way: its module, average and optimizer, kept in `folder` so that it can be cut off anywhere.

    Each step's random numbers come from `seed` and the step, so a phase that was cut off goes on as if it hadn't been.
    """

    folder: Path
    module: nn.Module
    pace: Pace
    seed: int = 0
    ema_decay: float = 0.999
    save_every_s: float = 180.0
    log_every: int = 50
    step: int = 0
    _figures: dict[str, list[float]] = field(default_factory=dict[str, list[float]])
    _stop: bool = False

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.optimizer = Muon(self.module, lr=self.pace.rate)
        self.ema = Ema(self.module, self.ema_decay)
        self._resume()

    @property
    def checkpoint(self) -> Path:
        """Where the state lies."""
        return self.folder / "checkpoint.pt"

    @property
    def finished(self) -> bool:
        """Whether all steps are done."""
        return self.step >= self.pace.steps

    def steps(self) -> Iterator[torch.Generator]:
        """Yield a seeded generator for each step that is left; between them, `learn` is called once."""
        before = {number: signal.signal(number, self._on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield from self._steps()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        self.save()

    def _steps(self) -> Iterator[torch.Generator]:
        saved = started = time.monotonic()
        first = self.step
        while not self.finished and not self._stop:
            yield torch.Generator().manual_seed(self.seed * 1_000_003 + self.step)
            self.step += 1
            now = time.monotonic()
            if self.step % self.log_every == 0:
                self._log_means((now - started) / (self.step - first))
            if now - saved > self.save_every_s:
                self.save()
                saved = now

    def learn(self, loss: torch.Tensor, **figures: float | torch.Tensor) -> None:
        """Take one optimizer step down a loss; figures are averaged into the log."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.pace.rate_at(self.step)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.module.parameters(), 1.0)
        if torch.isfinite(norm):
            self.optimizer.step()
            self.ema.update(self.module)
        for name, value in {"loss": loss.detach(), "norm": norm, **figures}.items():
            self._figures.setdefault(name, []).append(float(value))

    def log(self, **figures: float) -> None:
        """Write one line of figures to the log and the terminal."""
        line = json.dumps({"step": self.step, **{name: round(value, 5) for name, value in figures.items()}})
        with (self.folder / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(line + "\n")
        print(line, flush=True)  # noqa: T201 - a command's output

    def save(self) -> None:
        """Write the checkpoint, whole or not at all."""
        state = {
            "step": self.step,
            "module": self.module.state_dict(),
            "ema": self.ema.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        half = self.checkpoint.with_suffix(".half")
        torch.save(state, half)
        half.replace(self.checkpoint)

    def _resume(self) -> None:
        if not self.checkpoint.exists():
            return
        state = torch.load(self.checkpoint, map_location="cpu", weights_only=True)
        self.module.load_state_dict(state["module"])
        self.ema.load_state_dict(state["ema"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = int(state["step"])

    def _log_means(self, seconds: float) -> None:
        means = {name: sum(values) / len(values) for name, values in self._figures.items()}
        self._figures.clear()
        self.log(**means, rate=self.pace.rate_at(self.step), s_per_step=seconds)

    def _on_signal(self, _number: int, _frame: object) -> None:
        self._stop = True


def use_threads(count: int) -> None:
    """Let torch use so many cores; where others work too, one is often faster than two that wait for each other."""
    torch.set_num_threads(count)


def run_from_command_line(train: Callable[[Path, Plan], object], description: str | None, plan: Plan) -> None:
    """Run one phase, its plan changed by the command line's options."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--folder", type=Path, default=Path("data/training"))
    parser.add_argument("--steps", type=int, default=plan.steps)
    parser.add_argument("--batch", type=int, default=plan.batch)
    parser.add_argument("--pictures", type=int, default=plan.pictures)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--from-shipped", action="store_true", help="start from the weights that ship, not random ones")
    options = parser.parse_args()
    use_threads(options.threads)
    train(
        options.folder,
        Plan(steps=options.steps, batch=options.batch, pictures=options.pictures, from_shipped=options.from_shipped),
    )
