"""An engine that draws nothing: deterministic pictures, real events, and a catalogue of misbehaviours. No torch."""

import hashlib
import os
import re
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Final

from models.plan import Schedules, StepPlan, plan_of
from pipelines.contract import (
    EngineDefunct,
    EngineEvent,
    EngineFacts,
    Failed,
    Finished,
    GenerationRequest,
    LogLine,
    Phase,
    Preview,
    SampleDone,
    Started,
    Stepped,
    Vitals,
    Withdrawn,
)
from pipelines.fairness import FairShare, Offer, Policy
from pipelines.watching import Watching


class Mode(StrEnum):
    """How the fake behaves. Modes that happen at a step happen at `FakeTag.at`, 1-based over all samples."""

    WORKS = "works"
    SLOW = "slow"  # every step takes SLOW_SECONDS more
    FAILS_AT_STEP = "fails_at_step"
    OUT_OF_MEMORY = "out_of_memory"
    IGNORES_STOP = "ignores_stop"  # goes on drawing after Withdraw
    HANGS = "hangs"  # one step never returns
    DIES_HARD = "dies_hard"  # the process is gone without a word
    DEFUNCT = "defunct"  # the device is unusable from here on, as after a CUDA error
    FLOODS_LOG = "floods_log"


SLOW_SECONDS: Final = 0.2
FLOOD_LINES: Final = 500
PREVIEW_PART: Final = 8
"""How much smaller a preview is, along each side."""
IN_FLIGHT: Final = 8
_TAG: Final = re.compile(r"<fake:([a-z_]{1,20})(?::([0-9]{1,6}))?>")


@dataclass
class _Generation:
    number: int
    request: GenerationRequest
    mode: Mode
    at: int
    step: int = 0
    started: bool = False
    withdrawn: bool = False

    @cached_property
    def plan(self) -> StepPlan:
        return plan_of(self.request, Schedules())

    @property
    def base_steps(self) -> int:
        return len(self.plan.base)

    @property
    def sample_steps(self) -> int:
        return self.plan.steps_per_sample

    @property
    def total_steps(self) -> int:
        return self.sample_steps * self.request.samples

    @property
    def phase(self) -> Phase:
        return Phase.BASE if (self.step - 1) % self.sample_steps < self.base_steps else Phase.REFINER

    def offer(self) -> Offer:
        return Offer(
            generation=self.number,
            share=self.request.share,
            sample=self.step // self.sample_steps,
            alike=None,
            loras=None,
            places=1,
            work=1,
            remaining=self.total_steps - self.step,
        )


class FakeEngine:
    """Implements `Engine`, a sample a step. `mode` holds for every generation unless its prompt has `<fake:mode:k>`."""

    def __init__(self, step_ms: float = 0, mode: str = Mode.WORKS, in_flight: int | None = None) -> None:
        self._step_seconds = step_ms / 1000
        self._mode = Mode(mode)
        self._capacity = in_flight or IN_FLIGHT
        self._policy: Policy = FairShare()
        self._admitted = 0
        self._steps = 0
        self._generations: dict[int, _Generation] = {}
        self._watching = Watching()

    def load(self, report: Callable[[str, float], None]) -> str:
        """Load nothing."""
        report("nothing to load", 1.0)
        return "fake"

    @property
    def capacity(self) -> int:
        """How many generations should be in flight at most."""
        return self._capacity

    def admit(self, request: GenerationRequest) -> None:
        """Put a generation in flight."""
        tag = _TAG.search(request.prompt)
        named = tag is not None and tag[1] in set(Mode)
        mode = Mode(tag[1]) if tag is not None and named else self._mode
        at = int(tag[2]) if tag is not None and tag[2] else 1
        self._admitted += 1
        self._generations[self._admitted] = _Generation(self._admitted, request, mode, at)

    def withdraw(self, generation_id: str) -> None:
        """Take a generation out, if it listens."""
        for generation in self._generations.values():
            if generation.request.generation_id == generation_id and generation.mode is not Mode.IGNORES_STOP:
                generation.withdrawn = True

    def watch(self, generation_id: str, interval: float | None) -> None:
        """Show a generation in flight while it is drawn, or no longer."""
        if any(generation.request.generation_id == generation_id for generation in self._generations.values()):
            self._watching.watch(generation_id, interval)

    @property
    def facts(self) -> EngineFacts:
        """It depends on nothing."""
        return EngineFacts(dtype="none")

    @property
    def vitals(self) -> Vitals:
        """It takes a sample a step, and has no device."""
        return Vitals(forwards=self._steps, places=self._steps, samples=self._steps)

    @property
    def busy(self) -> bool:
        """Whether a generation is in flight."""
        return bool(self._generations)

    def step(self) -> Sequence[EngineEvent]:
        """Answer withdrawals, start what is new, or advance the generation whose turn it is by a step."""
        if withdrawn := [each for each in self._generations.values() if each.withdrawn]:
            return [self._withdrawn(generation) for generation in withdrawn]
        if new := next((each for each in self._generations.values() if not each.started), None):
            new.started = True
            return (Started(new.request.generation_id, new.total_steps),)
        if not self._generations:
            return ()
        (chosen, *_) = self._policy.choose([generation.offer() for generation in self._generations.values()])
        generation = self._generations[chosen.generation]
        time.sleep(self._step_seconds)
        generation.step += 1
        self._steps += 1
        events = self._misbehave(generation)
        if events and isinstance(events[-1], Failed):
            self._leave(generation)
            return events
        return [*events, *self._advance(generation)]

    def _withdrawn(self, generation: _Generation) -> Withdrawn:
        self._leave(generation)
        return Withdrawn(generation.request.generation_id, Phase.BASE, generation.step, generation.total_steps)

    def _advance(self, generation: _Generation) -> Sequence[EngineEvent]:
        request, step = generation.request, generation.step
        sample = (step - 1) // generation.sample_steps
        events: list[EngineEvent] = [
            Stepped(request.generation_id, generation.phase, sample, step, generation.total_steps)
        ]
        if self._watching.due(request.generation_id):
            events.append(_preview(request, sample, step, generation.total_steps))
        if step % generation.sample_steps == 0:
            rgb = draw(request.seed + sample, request.width, request.height, read_inputs(request))
            events.append(SampleDone(request.generation_id, sample, request.width, request.height, rgb))
        if step == generation.total_steps:
            self._leave(generation)
            events.append(Finished(request.generation_id))
        return events

    def _leave(self, generation: _Generation) -> None:
        del self._generations[generation.number]
        self._watching.watch(generation.request.generation_id, None)

    def _misbehave(self, generation: _Generation) -> Sequence[EngineEvent]:
        generation_id, due = generation.request.generation_id, generation.step == generation.at
        match generation.mode:
            case Mode.SLOW:
                time.sleep(SLOW_SECONDS)
            case Mode.FLOODS_LOG:
                return [LogLine(generation_id, f"line {line} of a flood") for line in range(FLOOD_LINES)]
            case Mode.FAILS_AT_STEP if due:
                return (Failed(generation_id, f"The fake engine was asked to fail at step {generation.step}."),)
            case Mode.OUT_OF_MEMORY if due:
                return (Failed(generation_id, "The device ran out of memory. Ask for a smaller picture."),)
            case Mode.HANGS if due:
                time.sleep(86_400)
            case Mode.DEFUNCT if due:
                raise EngineDefunct(f"The fake device was asked to be unusable at step {generation.step}.")
            case Mode.DIES_HARD if due:
                os.kill(os.getpid(), signal.SIGKILL)
            case _:
                pass
        return ()


def _preview(request: GenerationRequest, sample: int, step: int, total: int) -> Preview:
    width, height = max(1, request.width // PREVIEW_PART), max(1, request.height // PREVIEW_PART)
    rgb = draw(request.seed + sample, width, height, read_inputs(request))
    return Preview(request.generation_id, sample, step, total, width, height, rgb)


def read_inputs(request: GenerationRequest) -> bytes:
    """Return the parameter and the content of each input."""
    return b"".join(each.parameter.encode() + Path(each.path).read_bytes() for each in request.inputs)


def draw(seed: int, width: int, height: int, inputs: bytes = b"") -> bytes:
    """Return a vertical gradient between two colours of the seed and the inputs: height × width × 3 bytes."""
    digest = hashlib.sha256(str(seed).encode() + inputs).digest()
    top, bottom = digest[:3], digest[3:6]
    last = max(1, height - 1)
    rows = (bytes((a * (last - y) + b * y) // last for a, b in zip(top, bottom, strict=True)) for y in range(height))
    return b"".join(row * width for row in rows)
