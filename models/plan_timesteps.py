"""The timesteps of a noise scheduler's whole schedule, as diffusers computes them, without torch or numpy.

Sources: diffusers 0.42, `schedulers/scheduling_*.py`, `set_timesteps`. What is computed there in float32 is rounded to
float32 here, as a Karras schedule is rounded to whole timesteps at the end.
"""

import math
from array import array
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from itertools import accumulate, chain, pairwise
from operator import mul
from typing import Any, Final, Literal, TypeAlias, cast

from models.noise_schedulers import NoiseScheduler

Timesteps: TypeAlias = tuple[float, ...]
"""Highest first; whole numbers but for some Karras and second-order schedules."""

_RHO: Final = 7.0
"""Karras et al., Elucidating the Design Space of Diffusion-Based Generative Models."""


class UnknownSchedule(ValueError):
    """A scheduler configuration asks for something whose timesteps are not known here; the message names it."""


@dataclass(frozen=True, slots=True)
class ScheduleConfig:
    """What of a `scheduler_config.json` decides the timesteps."""

    num_train_timesteps: int = 1000
    beta_start: float = 0.00085
    beta_end: float = 0.012
    beta_schedule: str = "scaled_linear"
    timestep_spacing: str = "leading"
    steps_offset: int = 1
    skip_prk_steps: bool = True
    use_karras_sigmas: bool = False


SDXL_CONFIG: Final = ScheduleConfig()
"""The published SDXL's, base and refiner alike."""

_KNOWN: Final = frozenset(each.name for each in fields(ScheduleConfig))
# Keys that change timesteps, with the values that leave them alone.
_NEUTRAL: Final[Mapping[str, Sequence[object]]] = {
    "trained_betas": (None,),
    "use_exponential_sigmas": (False, None),
    "use_beta_sigmas": (False, None),
    "use_lu_lambdas": (False, None),
    "use_flow_sigmas": (False, None),
    "use_dynamic_shifting": (False, None),
    "rescale_betas_zero_snr": (False, None),
    "interpolation_type": ("linear",),
    "timestep_type": ("discrete",),
    "sigma_min": (None,),
    "sigma_max": (None,),
    "lambda_min_clipped": (-math.inf,),
}


def schedule_config(config: Mapping[str, Any]) -> ScheduleConfig:
    """Read a configuration as it stands in its file.

    Raises:
        UnknownSchedule: it lacks a key on which diffusers' classes disagree, or asks for what is not computed here.
    """
    for key, neutral in _NEUTRAL.items():
        if key in config and config[key] not in neutral:
            raise UnknownSchedule(f"{key} is {config[key]!r}")
    missing = sorted(_KNOWN - {"use_karras_sigmas"} - config.keys())
    if missing:
        raise UnknownSchedule(f"{missing[0]} is not given")
    found = ScheduleConfig(**{name: config[name] for name in _KNOWN & config.keys()})
    if found.beta_schedule not in {"linear", "scaled_linear"}:
        raise UnknownSchedule(f"beta_schedule is {found.beta_schedule!r}")
    if found.timestep_spacing not in {"leading", "linspace", "trailing"}:
        raise UnknownSchedule(f"timestep_spacing is {found.timestep_spacing!r}")
    if not found.skip_prk_steps:
        raise UnknownSchedule("skip_prk_steps is false")
    return found


def timesteps_of(scheduler: NoiseScheduler, config: ScheduleConfig, steps: int) -> Timesteps:
    """Return all the timesteps of `steps` inference steps, 1 or more; a timestep may be run twice."""
    ours = {name: value for name, value in scheduler.overrides.items() if name in _KNOWN}
    return _timesteps(scheduler.kind, replace(config, **cast("dict[str, Any]", ours)), steps)


@lru_cache(maxsize=512)
def _timesteps(kind: str, config: ScheduleConfig, steps: int) -> Timesteps:
    way = _WAYS[kind]
    grid = way.grid(config, steps)
    if not config.use_karras_sigmas or way.karras == "never":
        return way.expand(grid, [_at(_tables(config).sigmas, each) for each in grid], config)
    table = _tables(config).sigmas
    ends = (table[0], table[-1]) if way.grid is _inner_grid else (_at(table, grid[-1]), _at(table, grid[0]))
    sigmas = _karras_sigmas(*ends, steps)
    exact = [_timestep_at(sigma, config) for sigma in sigmas]
    return way.expand(tuple(round(each) if way.karras == "rounded" else each for each in exact), sigmas, config)


# ── where the timesteps lie ──────────────────────────────────────────────────────────────────────────────────────────
def _grid(config: ScheduleConfig, steps: int) -> Timesteps:
    """Space timesteps over the whole schedule."""
    trained = config.num_train_timesteps
    match config.timestep_spacing:
        case "linspace":
            return tuple(_f32(each) for each in reversed(_linspace(trained - 1, steps)))
        case "leading":
            ratio = trained // steps
            return tuple(place * ratio + config.steps_offset for place in reversed(range(steps)))
        case _:
            return _trailing(trained, steps)


def _whole_grid(config: ScheduleConfig, steps: int) -> Timesteps:
    """Space whole timesteps over the whole schedule."""
    if config.timestep_spacing != "linspace":
        return _grid(config, steps)
    return tuple(round(each) for each in reversed(_linspace(config.num_train_timesteps - 1, steps)))


def _inner_grid(config: ScheduleConfig, steps: int) -> Timesteps:
    """Space one timestep more than asked for, of which the lowest is not run."""
    trained = config.num_train_timesteps
    match config.timestep_spacing:
        case "linspace":
            return tuple(round(each) for each in reversed(_linspace(trained - 1, steps + 1)[1:]))
        case "leading":
            ratio = trained // (steps + 1)
            return tuple(place * ratio + config.steps_offset for place in reversed(range(1, steps + 1)))
        case _:
            return _trailing(trained, steps)


def _linspace(last: float, count: int) -> list[float]:
    """Return `count` numbers from 0 to `last`, as numpy does."""
    if count == 1:
        return [0.0]
    step = last / (count - 1)
    return [*(place * step for place in range(count - 1)), float(last)]


def _trailing(trained: int, steps: int) -> Timesteps:
    """Step down from the last timestep; numpy's `arange` may come out one too long, and so does this."""
    ratio = trained / steps
    stride = (trained - ratio) - trained
    return tuple(round(trained + place * stride) - 1 for place in range(math.ceil(trained / ratio)))


# ── Karras ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def _karras_sigmas(lowest: float, highest: float, steps: int) -> list[float]:
    low, high = lowest ** (1 / _RHO), highest ** (1 / _RHO)
    return [(high + ramp * (low - high)) ** _RHO for ramp in _linspace(1, steps)]


@dataclass(frozen=True, slots=True)
class _Tables:
    """Noise levels by timestep, in float32."""

    sigmas: Sequence[float]
    log_sigmas: Sequence[float]


@lru_cache(maxsize=8)
def _tables(config: ScheduleConfig) -> _Tables:
    kept = accumulate((_f32(1 - beta) for beta in _betas(config)), mul)
    alphas = [_f32(each) for each in kept]  # torch multiplies in float64
    sigmas = [_f32(math.sqrt(_f32(_f32(1 - alpha) / alpha))) for alpha in alphas]
    return _Tables(sigmas, [_f32(math.log(sigma)) for sigma in sigmas])


def _betas(config: ScheduleConfig) -> Sequence[float]:
    scaled = config.beta_schedule == "scaled_linear"
    power = 0.5 if scaled else 1.0
    first, last, count = _f32(config.beta_start**power), _f32(config.beta_end**power), config.num_train_timesteps
    step = _f32(_f32(last - first) / (count - 1))
    half = count // 2  # torch counts the upper half from its end
    line = [_f32(first + step * at) if at < half else _f32(last - step * (count - 1 - at)) for at in range(count)]
    return [_f32(each * each) for each in line] if scaled else line


def _at(table: Sequence[float], timestep: float) -> float:
    """Interpolate in a table by timestep; beyond its ends their values hold."""
    low = min(max(int(timestep), 0), len(table) - 2)
    share = min(max(timestep - low, 0.0), 1.0)
    return table[low] + share * (table[low + 1] - table[low])


def _timestep_at(sigma: float, config: ScheduleConfig) -> float:
    """Find the timestep of a noise level, linear in its logarithm."""
    logs = _tables(config).log_sigmas
    level = math.log(max(sigma, 1e-10))
    low = min(max(bisect_right(logs, level) - 1, 0), len(logs) - 2)
    weight = (logs[low] - level) / (logs[low] - logs[low + 1])
    weight = min(max(weight, 0.0), 1.0)
    return (1 - weight) * low + weight * (low + 1)


def _f32(number: float) -> float:
    return array("f", (number,))[0]


# ── what the solvers make of them ────────────────────────────────────────────────────────────────────────────────────
def _as_they_are(timesteps: Timesteps, _sigmas: Sequence[float], _config: ScheduleConfig) -> Timesteps:
    return timesteps


def _second_twice(timesteps: Timesteps, _sigmas: Sequence[float], _config: ScheduleConfig) -> Timesteps:
    """PNDM without Runge-Kutta steps runs its second timestep twice."""
    return (*timesteps[:2], *timesteps[1:])


def _all_but_the_first_twice(timesteps: Timesteps, _sigmas: Sequence[float], _config: ScheduleConfig) -> Timesteps:
    return (timesteps[0], *chain.from_iterable((each, each) for each in timesteps[1:]))


def _with_midpoints(timesteps: Timesteps, sigmas: Sequence[float], config: ScheduleConfig) -> Timesteps:
    """Put before each timestep but the first the one halfway from the one before."""
    middles = [_timestep_at(math.sqrt(high * low), config) for high, low in pairwise(sigmas)]
    return (timesteps[0], *chain.from_iterable(zip(middles, timesteps[1:], strict=True)))


@dataclass(frozen=True, slots=True)
class _Way:
    """How one of diffusers' classes comes to its timesteps."""

    grid: Callable[[ScheduleConfig, int], Timesteps]
    karras: Literal["never", "exact", "rounded"] = "never"
    expand: Callable[[Timesteps, Sequence[float], ScheduleConfig], Timesteps] = _as_they_are


_WAYS: Final[Mapping[str, _Way]] = {
    "EulerDiscreteScheduler": _Way(_grid, "exact"),
    "DDIMScheduler": _Way(_whole_grid),
    "LMSDiscreteScheduler": _Way(_grid, "exact"),
    "DPMSolverMultistepScheduler": _Way(_inner_grid, "rounded"),
    "PNDMScheduler": _Way(_whole_grid, expand=_second_twice),
    "DDPMScheduler": _Way(_whole_grid),
    "EulerAncestralDiscreteScheduler": _Way(_grid),
    "UniPCMultistepScheduler": _Way(_inner_grid, "rounded"),
    "DEISMultistepScheduler": _Way(_inner_grid, "rounded"),
    "HeunDiscreteScheduler": _Way(_grid, "exact", _all_but_the_first_twice),
    "KDPM2DiscreteScheduler": _Way(_grid, "rounded", _with_midpoints),
}
