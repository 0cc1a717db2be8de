"""The goals G1 to G15: what of them the script can tell, and what it can't."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from bench.gpu_forwards import Forwards
from pipelines.contract import Phase

_PAIR: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A goal, its figure (None where the script doesn't measure it), and whether it holds."""

    id: str
    what: str
    value: float | None
    must: str
    stretch: str
    holds: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a run found. FLOPs are of one row's forward, and of one decode; `steps` counts all samples'."""

    gemm_rate: float
    flops: Mapping[str, int]
    steps: Mapping[str, int]
    samples: int
    many: int
    jobs: Mapping[str, float]
    phases: Mapping[str, float]
    eager: Forwards
    compiled: Forwards
    repeats_equal: bool

    @property
    def denoise_flops(self) -> int:
        """FLOPs of all UNet forwards of the job, two rows each."""
        return sum(_PAIR * self.steps[phase] * self.flops[phase] for phase in self.steps)

    @property
    def job_flops(self) -> int:
        """With the decodes; the text encoders' are below a thousandth."""
        return self.denoise_flops + self.samples * self.flops["decode"]

    @property
    def efficiency(self) -> float:
        """The rate of the compiled engine's denoising by that of a large matrix product."""
        denoising = self.phases[Phase.BASE] + self.phases[Phase.REFINER]
        return self.denoise_flops / denoising / self.gemm_rate


def goals(found: Measured) -> list[Goal]:
    """Return all goals in order."""
    jobs, pair = found.jobs, _PAIR
    eager, compiled = found.eager, found.compiled
    single = eager.milliseconds_per_row[pair] / compiled.milliseconds_per_row[pair]
    return [
        _goal("G1", "denoising, compiled: its FLOP/s by the matrix product's", found.efficiency, 0.62, 0.73),
        _goal("G2", "headline job: stock by ours, compiled", jobs["stock"] / jobs["compiled"], 1.30, 1.5),
        _goal("G3", "headline job, seconds, compiled; without API and PNG", jobs["compiled"], 6.3, 5.2, "lower"),
        _goal("G4", "20 steps, 8 samples: pictures a second, compiled", found.many / jobs["many"], 1.75, 2.05),
        _untold("G5", "fp8, lossy: not built", "≥ 1.15", "≥ 1.3"),
        _goal("G6", "one sample: step eager by compiled", single, 1.5, 2.0),
        _untold("G7", "idle device between tasks: not measured, needs a profiler", "≤ 50 ms", "≤ 10 ms"),
        _untold("G8", "sustained by one job's rate: not measured", "≥ 0.95", "≥ 0.98"),
        _untold("G9", "API by engine: not measured, needs a server", "≤ 1.03", "≤ 1.01"),
        _goal("G10", "LoRA kept from before put on: ms", compiled.kept_change_milliseconds, 150, 30, "lower"),
        _goal("G10", "LoRA computed anew put on: ms", compiled.change_milliseconds, 150, 30, "lower"),
        _goal("G10", "compilations for another LoRA", float(bool(compiled.recompiled)), 0, 0, "lower"),
        _goal("G11", "step with a fused LoRA by one without", compiled.lora_ratio, 1.10, 1.01, "lower"),
        _untold("G12", "restart with a warm compile cache: not measured", "≤ 0.35", "≤ 0.15"),
        _untold("G13", "weights' loading by reading: not measured, these are random", "≥ 0.5", "≥ 0.8"),
        _told("G14", "decode, ms a picture; stock's float16 upcast isn't run beside it", eager.decode_milliseconds),
        _goal("G15", "repeats of one job are bit-equal, eager", float(found.repeats_equal), 1, 1),
    ]


def _goal(
    name: str, what: str, value: float, must: float, stretch: float, better: Literal["higher", "lower"] = "higher"
) -> Goal:
    sign = "≥" if better == "higher" else "≤"
    holds = value >= must if better == "higher" else value <= must
    return Goal(id=name, what=what, value=value, must=f"{sign} {must:g}", stretch=f"{sign} {stretch:g}", holds=holds)


def _told(name: str, what: str, value: float) -> Goal:
    return Goal(id=name, what=what, value=value, must="", stretch="", holds=None)


def _untold(name: str, what: str, must: str, stretch: str) -> Goal:
    return Goal(id=name, what=what, value=None, must=must, stretch=stretch, holds=None)
