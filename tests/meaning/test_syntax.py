"""Syntax and length do what they are for: words that count more show more, and no word is too late."""

from collections.abc import Sequence

import pytest

from models.vocabulary import read_vocabulary
from tools.miniature.canvas import Pixels
from tools.miniature.evaluate import Painter, Settings, held_out_prompts, score
from tools.miniature.judge import _name_pixels, look_at

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

SHAPES = ("circle", "square", "star", "heart")
SETTINGS = Settings(refiner=False, steps=12)
WHITE = list(read_vocabulary().inks).index("white")


def draw(painter: Painter, prompts: Sequence[str], settings: Settings = SETTINGS) -> list[Pixels]:
    return [painter.draw(prompt, seed, settings) for seed, prompt in enumerate(prompts)]


def area(pixels: Pixels) -> float:
    return float((_name_pixels(pixels) != WHITE).mean())


def test_small_things_are_the_smaller_the_more_small_counts(painter: Painter):
    def areas(weight: float) -> float:
        return sum(
            map(area, draw(painter, [f"a (small:{weight}) red {shape} on a white background" for shape in SHAPES]))
        )

    none, plain, double = areas(0), areas(1), areas(2)

    assert plain < 0.95 * none
    assert double < 0.95 * plain


@pytest.mark.parametrize("between", [", ", " BREAK "])
def test_words_beyond_the_77th_token_are_drawn(painter: Painter, between: str):
    asked = held_out_prompts(8, seed=33)
    filler = " ".join(["masterpiece"] * 80)
    reached = score(asked, draw(painter, [filler + between + each.captioned.caption for each in asked]))
    cut_off = score(asked, draw(painter, [filler] * len(asked)))

    assert min(reached["colour"], reached["background"], reached["shape"]) >= 0.8
    assert max(cut_off["colour"], cut_off["background"]) <= 0.4


def test_a_long_negative_prompt_does_not_drown_the_prompt(painter: Painter):
    settings = Settings(refiner=True, steps=12, negative="blurry, " * 60 + "purple")
    seen = [
        look_at(each) for each in draw(painter, [f"a red {shape} on a white background" for shape in SHAPES], settings)
    ]

    assert [each.colour for each in seen] == ["red"] * 4
    assert [each.background for each in seen] == ["white"] * 4
