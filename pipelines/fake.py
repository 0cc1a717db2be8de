"""An engine that draws nothing: deterministic pictures, real events, and a catalogue of misbehaviours. No torch."""

import hashlib
import os
import re
import signal
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from pipelines.contract import (
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
    Withdrawn,
)
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
    FLOODS_LOG = "floods_log"


SLOW_SECONDS: Final = 0.2
PREVIEW_PART: Final = 8
"""How much smaller a preview is, along each side."""
FLOOD_LINES: Final = 500
_TAG: Final = re.compile(r"<fake:([a-z_]{1,20})(?::([0-9]{1,6}))?>")


@dataclass(slots=True)
class _Generation:
    request: GenerationRequest
    mode: Mode
    at: int
    step: int = 0
    started: bool = False
    withdrawn: bool = False

    @property
    def base_steps(self) -> int:
        request = self.request
        return round(request.steps * request.high_noise_frac) if request.use_refiner else request.steps

    @property
    def sample_steps(self) -> int:
        request = self.request
        refiner = request.refiner_steps - round(request.refiner_steps * request.high_noise_frac)
        return self.base_steps + (refiner if request.use_refiner else 0)

    @property
    def total_steps(self) -> int:
        return self.sample_steps * self.request.samples

    @property
    def phase(self) -> Phase:
        return Phase.BASE if (self.step - 1) % self.sample_steps < self.base_steps else Phase.REFINER


class FakeEngine:
    """Implements `Engine`. `mode` holds for every generation unless its prompt carries `<fake:mode:k>`."""

    def __init__(self, step_ms: float = 0, mode: str = Mode.WORKS) -> None:
        self._step_seconds = step_ms / 1000
        self._mode = Mode(mode)
        self._generations: deque[_Generation] = deque()
        self._watching = Watching()

    def load(self, report: Callable[[str, float], None]) -> str:
        """Load nothing."""
        report("nothing to load", 1.0)
        return "fake"

    def admit(self, request: GenerationRequest) -> None:
        """Put a generation in flight."""
        tag = _TAG.search(request.prompt)
        named = tag is not None and tag[1] in set(Mode)
        mode = Mode(tag[1]) if tag is not None and named else self._mode
        at = int(tag[2]) if tag is not None and tag[2] else 1
        self._generations.append(_Generation(request, mode, at))

    def withdraw(self, generation_id: str) -> None:
        """Take a generation out, if it listens."""
        for generation in self._generations:
            if generation.request.generation_id == generation_id and generation.mode is not Mode.IGNORES_STOP:
                generation.withdrawn = True

    def watch(self, generation_id: str, interval: float | None) -> None:
        """Show a generation in flight while it is drawn, or no longer."""
        if any(generation.request.generation_id == generation_id for generation in self._generations):
            self._watching.watch(generation_id, interval)

    @property
    def busy(self) -> bool:
        """Whether a generation is in flight."""
        return bool(self._generations)

    @property
    def facts(self) -> EngineFacts:
        """It depends on nothing."""
        return EngineFacts(dtype="none")

    def step(self) -> Sequence[EngineEvent]:
        """Advance the oldest generation by a step."""
        if not self._generations:
            return ()
        generation = self._generations[0]
        request = generation.request
        if generation.withdrawn:
            self._leave()
            return (Withdrawn(request.generation_id, Phase.BASE, generation.step, generation.total_steps),)
        if not generation.started:
            generation.started = True
            return (Started(request.generation_id, generation.total_steps),)
        time.sleep(self._step_seconds)
        generation.step += 1
        events = self._misbehave(generation)
        if events and isinstance(events[-1], Failed):
            self._leave()
            return events
        return [*events, *self._advance(generation)]

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
            self._leave()
            events.append(Finished(request.generation_id))
        return events

    def _leave(self) -> None:
        generation = self._generations.popleft()
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
