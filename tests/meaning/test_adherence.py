"""The miniature draws what the prompt says: held-out combinations, drawn by the server's engine and judged."""

from collections import Counter
from collections.abc import Mapping

import pytest

from models.vocabulary import read_vocabulary
from tools.miniature.evaluate import Painter, Settings, held_out_prompts, score
from tools.miniature.judge import look_at

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

GOALS = {"colour": 0.95, "background": 0.97, "shape": 0.90, "position": 0.90}


def scores(painter: Painter, settings: Settings, count: int, *, seed: int = 9) -> Mapping[str, float]:
    asked = held_out_prompts(count, seed)
    pictures = [painter.draw(each.captioned.caption, number, settings) for number, each in enumerate(asked)]
    return score(asked, pictures)


def test_a_few_combinations_that_no_training_picture_showed(painter: Painter):
    # of 24, so that every trait but the position may be wrong twice
    assert min(scores(painter, Settings(), 24).values()) >= 0.9


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_two_hundred_combinations_that_no_training_picture_showed(painter: Painter):
    reached = scores(painter, Settings(), 200)

    assert {trait: reached[trait] for trait in GOALS if reached[trait] < GOALS[trait]} == {}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_guidance_makes_pictures_keep_to_the_prompt(painter: Painter):
    loose = scores(painter, Settings(guidance=1.0), 60, seed=31)
    guided = scores(painter, Settings(guidance=5.0), 60, seed=31)

    assert sum(guided.values()) > sum(loose.values())
    assert all(guided[trait] >= loose[trait] for trait in GOALS)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("refiner", [False, True], ids=["base", "base + refiner"])
def test_a_colour_named_in_the_negative_prompt_goes_away(painter: Painter, *, refiner: bool):
    def colours(negative: str) -> Counter[str]:
        settings = Settings(refiner=refiner, negative=negative)
        prompts = [
            (f"a {shape} on a white background", seed) for shape in read_vocabulary().shapes for seed in range(4)
        ]
        return Counter(look_at(painter.draw(prompt, seed, settings)).colour for prompt, seed in prompts)

    (colour, often), *_ = colours("").most_common(1)

    assert often >= 6
    assert colours(colour)[colour] <= often / 2
    assert colours(f"{colour} circle, {colour} square")[colour] <= often / 8
