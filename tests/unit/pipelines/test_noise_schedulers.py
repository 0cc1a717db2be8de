import pytest

from pipelines.errors import GenerationError
from pipelines.noise_schedulers import NOISE_SCHEDULERS, build_noise_scheduler

CONFIG = {
    "_class_name": "EulerDiscreteScheduler",
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "timestep_spacing": "leading",
}

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")


def test_there_are_exactly_seven():
    assert set(NOISE_SCHEDULERS) == {
        "EulerDiscreteScheduler",
        "DDIMScheduler",
        "LMSDiscreteScheduler",
        "DPMSolverMultistepScheduler",
        "PNDMScheduler",
        "DDPMScheduler",
        "EulerAncestralDiscreteScheduler",
    }


@pytest.mark.parametrize("name", NOISE_SCHEDULERS)
def test_each_is_fresh_and_follows_the_configuration(name):
    one, other = build_noise_scheduler(name, CONFIG), build_noise_scheduler(name, CONFIG)
    assert type(one).__name__ == name
    assert one is not other
    assert one.config["beta_end"] == 0.012
    assert one.config["timestep_spacing"] == "leading"
    before = other.timesteps
    one.set_timesteps(4)
    assert other.timesteps is before, "what is set on one doesn't show on another"


def test_the_configuration_stays_as_it_was():
    before = dict(CONFIG)
    build_noise_scheduler("DPMSolverMultistepScheduler", CONFIG)
    assert before == CONFIG


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(GenerationError, match=r"no noise scheduler 'Karras'.*EulerDiscreteScheduler"):
        build_noise_scheduler("Karras", CONFIG)
