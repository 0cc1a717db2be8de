"""Checked values in the engine's terms."""

import pytest

from models.card import Card
from models.generation import SdxlValues, sdxl_values
from models.parameters import check


def settings(card: Card, **sent: object) -> SdxlValues:
    return sdxl_values(check(card, {"prompt": "a lake", "seed": "7"} | sent))


def test_the_defaults_use_the_refiner_from_the_fraction_on(card):
    assert settings(card) == SdxlValues(
        prompt="a lake",
        negative_prompt="",
        samples=1,
        steps=60,
        refiner_steps=20,
        guidance_scale=4.0,
        high_noise_frac=0.8,
        use_refiner=True,
        noise_scheduler="EulerDiscreteScheduler",
        seed=7,
        width=1024,
        height=1024,
    )


@pytest.mark.parametrize("sent", [{"refiner": "--only_base_model"}, {"highNoiseFrac": 1}, {"highNoiseFrac": "1.0"}])
def test_base_only(card, sent):
    base_only = settings(card, **sent)

    assert (base_only.use_refiner, base_only.high_noise_frac) == (False, 1.0)


@pytest.mark.parametrize("sent", ["", None, "/* refiner value */", "unknown"])
def test_the_refiner_is_on_unless_refused(card, sent):
    assert settings(card, refiner=sent).use_refiner


def test_refiner_steps_of_zero_are_as_many_as_steps(card):
    assert settings(card, steps=33, stepsRefiner=0).refiner_steps == 33


def test_every_value_finds_its_place(card):
    sent = {"negativePrompt": "b", "samples": 3, "width": 512, "height": 768, "scheduler": "DDIMScheduler"}

    placed = settings(card, **sent)

    assert (placed.negative_prompt, placed.samples) == ("b", 3)
    assert (placed.width, placed.height, placed.noise_scheduler) == (512, 768, "DDIMScheduler")
