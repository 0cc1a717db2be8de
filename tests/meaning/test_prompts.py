"""The judge may judge, and a seed is a picture."""

import pytest

from tools.miniature.evaluate import Painter, Settings, held_out_prompts, score, true_pictures

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"),
]


def test_the_judge_is_right_about_true_pictures():
    asked = held_out_prompts(200)

    assert min(score(asked, true_pictures(asked)).values()) >= 0.99


@pytest.mark.timeout(300)
def test_a_seed_is_a_picture(painter: Painter):
    prompt = "a large yellow star on a purple background"
    settings = Settings(steps=10)
    four = painter.draw_all(prompt, 30, settings, 4)
    single = [painter.draw(prompt, 30 + sample, settings) for sample in range(4)]

    assert [picture.tobytes() for picture in four] == [picture.tobytes() for picture in single]
    assert len({picture.tobytes() for picture in four}) == 4
