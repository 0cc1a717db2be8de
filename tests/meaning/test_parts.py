"""The refiner and the LoRA do what they are for."""

import pytest

from tools.miniature.evaluate import Painter, Settings, held_out_prompts, true_pictures
from tools.miniature.judge import outline_measure
from tools.miniature.likeness import patch_distance
from tools.miniature.world import Pixels

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"),
]


def draw_all(painter: Painter, prompts: list[str], settings: Settings) -> list[Pixels]:
    return [painter.draw(prompt, seed, settings) for seed, prompt in enumerate(prompts)]


@pytest.mark.timeout(600)
def test_the_refiner_brings_pictures_nearer_to_true_ones(painter: Painter):
    asked = held_out_prompts(40, seed=21)
    true = true_pictures(held_out_prompts(40, seed=22))
    prompts = [each.captioned.caption for each in asked]

    # 20 and 20 steps, where the grids of base and refiner meet
    base = patch_distance(draw_all(painter, prompts, Settings(refiner=False)), true)
    refined = patch_distance(draw_all(painter, prompts, Settings()), true)

    assert refined < 0.9 * base


def test_a_lora_of_weight_0_changes_nothing(painter: Painter):
    prompt, settings = "a large yellow star on a purple background", Settings(steps=6)
    without = painter.draw(prompt, 5, settings)

    painter.draw(prompt, 5, Settings(steps=6, lora_weight=1.0))

    assert painter.draw(prompt, 5, Settings(steps=6, lora_weight=0.0)).tobytes() == without.tobytes()
    assert painter.draw(prompt, 5, settings).tobytes() == without.tobytes()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("refiner", [False, True], ids=["base", "base + refiner"])
def test_a_lora_outlines_the_more_the_higher_its_weight(painter: Painter, *, refiner: bool):
    prompts = [
        "a large yellow star on a purple background",
        "a large red heart on a white background",
        "a large teal moon on a yellow background, left",
        "a large orange triangle on a blue background",
        "a large pink circle on a green background, right",
        "a large green square on a pink background",
    ]

    def outlined(weight: float) -> float:
        settings = Settings(refiner=refiner, lora_weight=weight)
        return sum(map(outline_measure, draw_all(painter, prompts, settings))) / len(prompts)

    none, half, full = outlined(0.0), outlined(0.5), outlined(1.0)

    # the world's own pictures have 0.0 in natural light and 0.98 in the studio style
    assert none < 0.1
    assert none < half < full
    assert full > 0.7
