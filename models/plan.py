"""The step plan: which timesteps base and refiner run for one sample, and what there is to say about it.

The engine takes its timesteps from diffusers' own schedulers; that both agree is tested for every scheduler.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from models.noise_schedulers import NOISE_SCHEDULERS, NoiseScheduler
from models.plan_timesteps import SDXL_CONFIG, ScheduleConfig, Timesteps, timesteps_of

_PNDM: Final = "PNDMScheduler"
_LMS: Final = "LMSDiscreteScheduler"


class StepRequest(Protocol):
    """What of a request decides its steps; see `pipelines.contract.GenerationRequest`."""

    @property
    def steps(self) -> int:
        """Of the whole schedule."""
        ...

    @property
    def refiner_steps(self) -> int:
        """Of the refiner's whole schedule."""
        ...

    @property
    def samples(self) -> int:
        """How many pictures."""
        ...

    @property
    def guidance_scale(self) -> float:
        """Above 1 there is guidance."""
        ...

    @property
    def negative_prompt(self) -> str:
        """Empty for none."""
        ...

    @property
    def high_noise_frac(self) -> float:
        """The base's share of the noise."""
        ...

    @property
    def use_refiner(self) -> bool:
        """Whether the refiner is wanted."""
        ...

    @property
    def noise_scheduler(self) -> str:
        """Its value in the catalogue."""
        ...


@dataclass(frozen=True, slots=True)
class Schedules:
    """The schedules that base and refiner were trained with; no refiner: there is none to draw with."""

    base: ScheduleConfig = SDXL_CONFIG
    refiner: ScheduleConfig | None = SDXL_CONFIG


@dataclass(frozen=True, slots=True, kw_only=True)
class StepPlan:
    """What is run. `base` and `refiner` are the timesteps of one sample, highest first, one UNet forward each.

    `hand_over` is the timestep below which the refiner takes over, None without it. `rows` are the UNet's rows at each
    forward: 2 for a guidance pair, else 1. `notes` are plain sentences for people.
    """

    base: Timesteps
    refiner: Timesteps
    hand_over: int | None
    samples: int
    rows: int
    notes: tuple[str, ...]

    @property
    def steps_per_sample(self) -> int:
        """UNet forwards of one sample."""
        return len(self.base) + len(self.refiner)

    @property
    def total_steps(self) -> int:
        """UNet forwards of all samples."""
        return self.steps_per_sample * self.samples

    @property
    def evaluations(self) -> int:
        """Rows through the UNet, in all."""
        return self.total_steps * self.rows


def plan_of(values: StepRequest, schedules: Schedules) -> StepPlan:
    """Plan what is drawn for a request.

    Raises:
        KeyError: there is no such noise scheduler.
    """
    scheduler = NOISE_SCHEDULERS[values.noise_scheduler]
    base = timesteps_of(scheduler, schedules.base, values.steps)
    rows = 2 if values.guidance_scale > 1 else 1
    refines = values.use_refiner and values.high_noise_frac < 1
    if not refines or schedules.refiner is None:
        missing = ("There is no refiner here; the base draws all steps.",) if refines else ()
        notes = (*missing, *_notes_of_base(scheduler, base, values))
        return StepPlan(base=base, refiner=(), hand_over=None, samples=values.samples, rows=rows, notes=notes)
    hand_over = cutoff(values.high_noise_frac, schedules.base.num_train_timesteps)
    base_count = sum(each >= hand_over for each in base)
    refiner = timesteps_of(scheduler, schedules.refiner, values.refiner_steps)
    start = refiner_start(refiner, cutoff(values.high_noise_frac, schedules.refiner.num_train_timesteps), scheduler)
    split = _Split(base=base, base_count=base_count, refiner=refiner, start=start)
    return StepPlan(
        base=base[:base_count],
        refiner=refiner[start:],
        hand_over=hand_over,
        samples=values.samples,
        rows=rows,
        notes=tuple(_notes_of_split(scheduler, split, values)),
    )


def cutoff(fraction: float, num_train_timesteps: int) -> int:
    """Return the timestep from which up the base runs, and below which the refiner does."""
    return round(num_train_timesteps - fraction * num_train_timesteps)


def refiner_start(timesteps: Timesteps, below: int, scheduler: NoiseScheduler) -> int:
    """Return the place of the refiner's first timestep; a second-order scheduler begins no pair in its middle."""
    count = sum(each < below for each in timesteps)
    count += scheduler.second_order and count % 2 == 0
    return len(timesteps) - count


# ── what there is to say ─────────────────────────────────────────────────────────────────────────────────────────────
@dataclass(frozen=True, slots=True, kw_only=True)
class _Split:
    """Both whole schedules, how many the base runs, and where the refiner starts."""

    base: Timesteps
    base_count: int
    refiner: Timesteps
    start: int


def _notes_of_base(scheduler: NoiseScheduler, base: Timesteps, values: StepRequest) -> Iterator[str]:
    if scheduler.kind == _PNDM and len(base) > values.steps:
        yield f"PNDM runs its second timestep twice: {values.steps} steps are {len(base)}."
    if scheduler.second_order and len(base) > 1:
        yield f"{scheduler.label} asks the UNet twice for each step but the first: {values.steps} are {len(base)}."
    if values.guidance_scale <= 1 and values.negative_prompt:
        yield "With a guidance scale of 1 or less there is no guidance, and the negative prompt does nothing."


def _notes_of_split(scheduler: NoiseScheduler, split: _Split, values: StepRequest) -> Iterator[str]:
    yield from _notes_of_base(scheduler, split.base, values)
    fraction = f"{values.high_noise_frac:g}"
    if not split.base_count:
        yield f"Of {values.steps} step(s) none lies in the first {fraction} of the noise; the refiner draws alone."
        return
    expected = round(len(split.base) * values.high_noise_frac)
    if abs(split.base_count - expected) > 1:
        yield (
            f"{fraction} is a share of the noise, not of the steps: of {len(split.base)} the base runs "
            f"{split.base_count}."
        )
    if split.start == len(split.refiner):
        yield f"Of {values.refiner_steps} refiner step(s) none lies in the rest of the noise; the base draws alone."
        return
    if scheduler.kind == _PNDM:
        yield "PNDM loses its history at the hand-over, so that the split isn't exact; with others it is."
    if scheduler.kind == _LMS:
        yield (
            "LMS loses its history at the hand-over, and in diffusers the refiner's first step then goes twice as far "
            "as it should: with few refiner steps pictures come out broken. Other noise schedulers don't do that."
        )
    yield from _notes_of_meeting(split, values)


def _notes_of_meeting(split: _Split, values: StepRequest) -> Iterator[str]:
    """Say how the refiner's first timestep differs from the noise that the base leaves."""
    rest = split.base[split.base_count :]
    left, start = (rest[0] if rest else 0), split.refiner[split.start]
    if left == start:
        return
    how = "more" if left > start else "less"
    why = "" if split.base == split.refiner else f", as {values.steps} and {values.refiner_steps} steps lie apart"
    yield (
        f"The base leaves the noise of timestep {left:.4g}, and the refiner starts at {start:.4g}{why}: there is {how} "
        "noise than it expects."
    )
