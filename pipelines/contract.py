"""The engine's contract: the whole protocol between a supervisor and the process that holds the device. No torch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraUse:
    """A LoRA to fuse: its name, its .safetensors file, and its weight (1.0 as trained).

    `text_encoder_weight` is its weight in the text encoders; None: the same.
    """

    name: str
    path: str
    weight: float
    text_encoder_weight: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InputFile:
    """A picture to read: the parameter it was given for, its file (until the generation ends), its MIME type."""

    parameter: str
    path: str
    content_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRequest:
    """What to draw. `generation_id` is unique among generations in flight; sample i is drawn from seed + i (mod 2⁶³).

    `steps` and `refiner_steps` are diffusers' `num_inference_steps`, which count the whole schedule; the base expert
    runs the part before `high_noise_frac` (`denoising_end`), the refiner the part after it (`denoising_start`).
    0 < `high_noise_frac` < 1 where `use_refiner`. LoRAs are already resolved, and no tag is left in `prompt`; brackets,
    escapes and BREAKs (`models.emphasis`) are, in both prompts.
    Generations of one `share` divide one share of the device among them.
    """

    generation_id: str
    prompt: str
    negative_prompt: str
    width: int
    height: int
    samples: int
    seed: int
    steps: int
    refiner_steps: int
    guidance_scale: float
    high_noise_frac: float
    use_refiner: bool
    noise_scheduler: str
    loras: tuple[LoraUse, ...] = ()
    inputs: tuple[InputFile, ...] = ()
    share: str = ""


# ── commands: supervisor → child ─────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True)
class Admit:
    """Start this generation; exactly one Finished, Failed or Withdrawn will answer it, unless the process dies."""

    request: GenerationRequest


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Stop this generation at the next step boundary. Unknown ids are ignored."""

    generation_id: str


@dataclass(frozen=True, slots=True)
class Watch:
    """Show this generation's pictures on their way, each `interval` seconds at most; None: no more. May be repeated."""

    generation_id: str
    interval: float | None


Command: TypeAlias = Admit | Withdraw | Watch


# ── events: child → supervisor ───────────────────────────────────────────────────────────────────────────────────────
class Phase(StrEnum):
    """What a generation is doing."""

    ENCODE = "encode"
    BASE = "base"
    REFINER = "refiner"
    DECODE = "decode"


@dataclass(frozen=True, slots=True)
class Loading:
    """Weights are being loaded; `fraction` of 1 is done."""

    what: str
    fraction: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineFacts:
    """What an engine's pictures depend on, beside their request and the weights.

    `rows` is how many a UNet forward with guidance has, where that counts; `versions` are those of its libraries, by
    package; `noise_schedulers` each scheduler's configuration, by name, with the JSON values that diffusers gives it.
    """

    dtype: str = ""
    rows: int | None = None
    versions: Mapping[str, str] = field(default_factory=dict[str, str])
    noise_schedulers: Mapping[str, Mapping[str, object]] = field(default_factory=dict[str, Mapping[str, object]])


@dataclass(frozen=True, slots=True)
class Ready:
    """Loaded. `device` as a person would name it; `capacity` generations may be in flight at once."""

    device: str
    capacity: int = 1
    facts: EngineFacts = field(default_factory=EngineFacts)


@dataclass(frozen=True, slots=True)
class Started:
    """The first UNet forward is next; `total_steps` counts the steps of all samples, base and refiner."""

    generation_id: str
    total_steps: int


@dataclass(frozen=True, slots=True)
class Stepped:
    """Step `step` (1-based, over all samples) of `total_steps` is done."""

    generation_id: str
    phase: Phase
    sample: int
    step: int
    total_steps: int


@dataclass(frozen=True, slots=True)
class Preview:
    """What sample `sample` looks like after `step` of `total_steps`, roughly: `rgb` as in `SampleDone`, but smaller."""

    generation_id: str
    sample: int
    step: int
    total_steps: int
    width: int
    height: int
    rgb: bytes


@dataclass(frozen=True, slots=True)
class SampleDone:
    """Sample `sample` is drawn: `rgb` holds height × width × 3 bytes, row by row."""

    generation_id: str
    sample: int
    width: int
    height: int
    rgb: bytes


@dataclass(frozen=True, slots=True)
class LogLine:
    """Something a person may want to know; `generation_id` None when it concerns no generation."""

    generation_id: str | None
    line: str


@dataclass(frozen=True, slots=True)
class Finished:
    """All samples were drawn and sent."""

    generation_id: str


@dataclass(frozen=True, slots=True)
class Failed:
    """This generation can't be drawn; the engine lives on. `reason` is one sentence for people."""

    generation_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """Stopped in `phase` after `step` of `total_steps`; the device is free of it."""

    generation_id: str
    phase: Phase
    step: int
    total_steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """What an engine has done since it was loaded, and the memory its device has in use, in bytes; 0 of 0: unknown.

    `places` of `forwards` UNet forwards could each have held a sample; `samples` of them did. Of the caches, `…_hits`
    are what was found and `…_misses` what had to be made or read.
    """

    forwards: int = 0
    places: int = 0
    samples: int = 0
    embedding_hits: int = 0
    embedding_misses: int = 0
    lora_hits: int = 0
    lora_misses: int = 0
    memory_used: int = 0
    memory_total: int = 0


@dataclass(frozen=True, slots=True)
class Defunct:
    """The device or the weights are unusable; the process exits after this."""

    reason: str


EngineEvent: TypeAlias = (
    Loading
    | Ready
    | Started
    | Stepped
    | Preview
    | SampleDone
    | LogLine
    | Finished
    | Failed
    | Withdrawn
    | Vitals
    | Defunct
)


class EngineDefunct(Exception):
    """The engine can't go on: the process must end and be started anew."""


class Engine(Protocol):
    """Turns requests into pictures, a step at a time. Called by one thread only.

    Several generations may be in flight; their steps interleave. Each one's own events come in order: its steps counted
    from 1, a picture as soon as its last step is done, the pictures of its samples in their order.
    """

    @property
    def capacity(self) -> int:
        """How many generations should be in flight at most; known once loaded. More are taken, and may not fit."""
        ...

    def load(self, report: Callable[[str, float], None]) -> str:
        """Load the weights, reporting (what, fraction done); return the device. Raises EngineDefunct."""
        ...

    def admit(self, request: GenerationRequest) -> None:
        """Put a generation in flight. Never fails: what is wrong with it comes as Failed from a later `step`."""
        ...

    def withdraw(self, generation_id: str) -> None:
        """Take a generation out; a later `step` answers Withdrawn. Unknown ids are ignored."""
        ...

    def watch(self, generation_id: str, interval: float | None) -> None:
        """Let `step` say Preview for this generation from now on, or no longer. Unknown ids are ignored."""
        ...

    def step(self) -> Sequence[EngineEvent]:
        """Run the next micro-batch (or encode, or decode one sample) and return what happened. Raises EngineDefunct."""
        ...

    @property
    def busy(self) -> bool:
        """Whether `step` has something to do."""
        ...

    @property
    def facts(self) -> EngineFacts:
        """What its pictures depend on, once it is loaded."""
        ...

    @property
    def vitals(self) -> Vitals:
        """What it has done so far, once it is loaded; cheap enough for once a second."""
        ...
