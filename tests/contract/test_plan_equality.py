"""The step plan is diffusers': for every scheduler, number of steps and fraction, and so is what the engine runs."""

from dataclasses import dataclass
from typing import Any

import diffusers
import pytest
import torch

from models.noise_schedulers import NOISE_SCHEDULERS
from models.plan import Schedules, plan_of
from models.plan_timesteps import schedule_config, timesteps_of
from pipelines.denoise import base_leg, refiner_leg
from tools.miniature.layout import scheduler_config

FRACTIONS = (0.5, 0.8, 0.9, 0.05, 0.123, 1 / 3, 0.699, 0.7, 0.85, 0.999)
ALL_STEPS = range(1, 151)
FEW_STEPS = (1, 2, 3, 4, 7, 20, 25, 30, 37, 40, 60, 99, 150)
# Their set_timesteps takes milliseconds for each step.
SLOW = ("Heun Karras", "KDPM2", "KDPM2 Karras")
SPACINGS = ("leading", "linspace", "trailing")
CPU = torch.device("cpu")

# diffusers turns tensors into arrays in ways that numpy 2 frowns on
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:__array_wrap__ must accept context:DeprecationWarning"),
]


@dataclass(frozen=True)
class Asked:
    steps: int
    refiner_steps: int
    high_noise_frac: float
    noise_scheduler: str
    samples: int = 1
    guidance_scale: float = 5.0
    negative_prompt: str = ""
    use_refiner: bool = True


def config(spacing: str = "leading") -> dict[str, Any]:
    return {**scheduler_config(), "timestep_spacing": spacing}


def assert_close(planned: tuple[float, ...], timesteps: torch.Tensor) -> None:
    """Whole timesteps are equal; those between are within what float32 makes of them."""
    theirs = timesteps.double().tolist()
    assert len(planned) == len(theirs)
    for ours, other in zip(planned, theirs, strict=True):
        assert ours == other if other.is_integer() and isinstance(ours, int) else abs(ours - other) < 1e-3


def check_schedule(name: str, spacing: str, numbers) -> None:
    wanted = NOISE_SCHEDULERS[name]
    own = schedule_config(config(spacing))
    reference = getattr(diffusers, wanted.kind).from_config({**config(spacing), **wanted.overrides})
    for steps in numbers:
        reference.set_timesteps(steps)
        assert_close(timesteps_of(wanted, own, steps), reference.timesteps)


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("name", NOISE_SCHEDULERS)
def test_a_schedule_is_diffusers(name, spacing):
    check_schedule(name, spacing, FEW_STEPS if name in SLOW else ALL_STEPS)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("name", SLOW)
def test_a_schedule_is_diffusers_for_every_number_of_steps(name, spacing):
    check_schedule(name, spacing, ALL_STEPS)


def check_split(name: str, numbers, fractions=FRACTIONS) -> None:
    own = schedule_config(config())
    for steps in numbers:
        for fraction in fractions:
            refiner_steps = (steps * 7) % 150 + 1
            planned = plan_of(Asked(steps, refiner_steps, fraction, name), Schedules(own, own))
            base = base_leg(name, config(), steps=steps, denoising_end=fraction, device=CPU)
            refiner = refiner_leg(name, config(), steps=refiner_steps, denoising_start=fraction, device=CPU)
            assert_close(planned.base, base.timesteps)
            assert_close(planned.refiner, refiner.timesteps)


@pytest.mark.parametrize("name", NOISE_SCHEDULERS)
def test_the_engine_runs_what_is_planned(name):
    check_split(name, *(((1, 2, 22), FRACTIONS[:3]) if name in SLOW else (FEW_STEPS,)))


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", NOISE_SCHEDULERS)
def test_the_engine_runs_what_is_planned_for_every_number_of_steps(name):
    check_split(name, ALL_STEPS)


@pytest.mark.parametrize("name", NOISE_SCHEDULERS)
def test_the_base_alone_runs_its_whole_schedule(name):
    own = schedule_config(config())
    for fraction in (1, 1.0):
        planned = plan_of(Asked(25, 25, fraction, name), Schedules(own, own))
        base = base_leg(name, config(), steps=25, denoising_end=None, device=CPU)
        assert_close(planned.base, base.timesteps)
        assert planned.refiner == ()
