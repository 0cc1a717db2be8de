"""The step plan: splits, notes, and what it can't know. That it equals diffusers is tested in `tests/contract`."""

from dataclasses import replace
from typing import Any

import pytest

from models.generation import SdxlValues
from models.noise_schedulers import NOISE_SCHEDULERS
from models.plan import Schedules, StepPlan, plan_of
from models.plan_timesteps import SDXL_CONFIG, UnknownSchedule, schedule_config

PUBLISHED = {
    "_class_name": "EulerDiscreteScheduler",
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "interpolation_type": "linear",
    "num_train_timesteps": 1000,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "timestep_spacing": "leading",
    "trained_betas": None,
    "use_karras_sigmas": False,
}


def plan(scheduler: str = "EulerDiscreteScheduler", steps: int = 40, fraction: float = 0.8, **changes: Any) -> StepPlan:
    values = SdxlValues(
        prompt="a fox",
        negative_prompt="",
        samples=1,
        steps=steps,
        refiner_steps=steps,
        guidance_scale=5.0,
        high_noise_frac=fraction,
        use_refiner=True,
        noise_scheduler=scheduler,
        seed=1,
        width=64,
        height=64,
    )
    return plan_of(replace(values, **changes), Schedules())


@pytest.mark.parametrize(
    ("scheduler", "base", "refiner"),
    [
        ("DDIMScheduler", 32, 8),
        ("DDPMScheduler", 32, 8),
        ("EulerDiscreteScheduler", 32, 8),
        ("EulerAncestralDiscreteScheduler", 32, 8),
        ("Euler trailing", 32, 8),
        ("Euler Karras", 25, 15),
        ("DPMSolverMultistepScheduler", 32, 8),
        ("DPM++ 2M Karras", 25, 15),
        ("DPM++ 2M SDE", 32, 8),
        ("DPM++ 2M SDE Karras", 25, 15),
        ("UniPC", 32, 8),
        ("UniPC Karras", 25, 15),
        ("DEIS", 32, 8),
        ("LMSDiscreteScheduler", 32, 8),
        ("PNDMScheduler", 33, 8),
        ("Heun", 63, 17),
        ("Heun Karras", 49, 31),
        ("KDPM2", 63, 17),
    ],
)
def test_forty_steps_split_at_four_fifths_as_measured_in_diffusers(scheduler, base, refiner):
    it = plan(scheduler)
    assert (len(it.base), len(it.refiner), it.hand_over) == (base, refiner, 200)


@pytest.mark.parametrize(
    ("steps", "fraction", "base", "refiner"),
    [(30, 0.8, 23, 7), (20, 0.8, 16, 4), (1, 0.8, 0, 1), (2, 0.8, 1, 1), (5, 0.8, 4, 1), (30, 0.99, 29, 1)],
)
def test_steps_come_from_timesteps_and_not_from_a_product(steps, fraction, base, refiner):
    it = plan(steps=steps, fraction=fraction)
    assert (len(it.base), len(it.refiner)) == (base, refiner)


@pytest.mark.parametrize("changes", [{"fraction": 1.0}, {"fraction": 1}, {"use_refiner": False}])
def test_the_base_alone_runs_everything(changes):
    it = plan(**changes)
    assert (len(it.base), it.refiner, it.hand_over, it.notes) == (40, (), None, ())


def test_sixty_steps_and_twenty_of_the_refiner_are_47_and_4_and_dont_meet():
    it = plan(steps=60, refiner_steps=20, samples=4)
    assert (len(it.base), len(it.refiner), it.total_steps, it.evaluations) == (47, 4, 204, 408)
    assert (it.base[0], it.base[-1], it.refiner) == (945, 209, (151, 101, 51, 1))
    [note] = it.notes
    assert note == (
        "The base leaves the noise of timestep 193, and the refiner starts at 151, as 60 and 20 steps lie apart: there "
        "is more noise than it expects."
    )


def test_without_guidance_a_step_is_one_row_and_a_negative_prompt_does_nothing():
    it = plan(guidance_scale=1.0, negative_prompt="blur")
    assert (it.rows, it.evaluations) == (1, 40)
    assert it.notes == (
        "With a guidance scale of 1 or less there is no guidance, and the negative prompt does nothing.",
    )
    assert plan(guidance_scale=1.0).notes == ()


@pytest.mark.parametrize(
    ("it", "notes"),
    [
        (plan(), []),
        (plan("PNDMScheduler"), ["40 steps are 41", "loses its history"]),
        (plan("PNDMScheduler", fraction=1.0), ["40 steps are 41"]),
        (plan("LMSDiscreteScheduler"), ["LMS loses its history at the hand-over"]),
        (plan("LMSDiscreteScheduler", fraction=1.0), []),
        (plan("DPM++ 2M Karras"), ["0.8 is a share of the noise, not of the steps: of 40 the base runs 25."]),
        (plan("Heun"), ["40 are 79", "timestep 176, and the refiner starts at 201: there is less noise"]),
        (plan(steps=1), ["Of 1 step(s) none lies in the first 0.8 of the noise; the refiner draws alone."]),
        (plan(refiner_steps=1, fraction=0.999), ["none lies in the rest of the noise; the base draws alone."]),
    ],
    ids=str,
)
def test_what_surprises_is_told_in_sentences(it, notes):
    assert len(it.notes) == len(notes), it.notes
    for note, part in zip(it.notes, notes, strict=True):
        assert part in note


def test_no_refiner_to_draw_with_is_told():
    values = SdxlValues(
        prompt="", negative_prompt="", samples=2, steps=10, refiner_steps=10, guidance_scale=5.0, high_noise_frac=0.8,
        use_refiner=True, noise_scheduler="DDIMScheduler", seed=1, width=64, height=64,
    )  # fmt: skip
    it = plan_of(values, Schedules(refiner=None))
    assert (len(it.base), it.refiner, it.notes) == (10, (), ("There is no refiner here; the base draws all steps.",))


def test_the_published_configuration_is_the_default():
    assert schedule_config(PUBLISHED) == SDXL_CONFIG


@pytest.mark.parametrize(
    "change",
    [
        {"trained_betas": [0.1, 0.2]},
        {"beta_schedule": "squaredcos_cap_v2"},
        {"timestep_spacing": "sideways"},
        {"use_exponential_sigmas": True},
        {"rescale_betas_zero_snr": True},
        {"interpolation_type": "log_linear"},
        {"skip_prk_steps": False},
        {"sigma_max": 14.0},
    ],
    ids=str,
)
def test_a_configuration_that_isnt_understood_is_named_not_guessed(change):
    with pytest.raises(UnknownSchedule, match=next(iter(change))):
        schedule_config(PUBLISHED | change)


def test_a_configuration_that_leaves_open_what_diffusers_classes_differ_in_is_not_guessed():
    with pytest.raises(UnknownSchedule, match="timestep_spacing"):
        schedule_config({key: value for key, value in PUBLISHED.items() if key != "timestep_spacing"})


def test_every_scheduler_differs_from_every_other():
    kinds = [(it.kind, tuple(sorted(it.overrides.items()))) for it in NOISE_SCHEDULERS.values()]
    assert len(set(kinds)) == len(kinds)
