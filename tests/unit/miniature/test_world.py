"""The world the miniature learns from: the same for a seed, said truly, and known word by word."""

import numpy as np
import pytest

from models.vocabulary import read_vocabulary, words_of
from tools.miniature.judge import look_at, outline_measure
from tools.miniature.scenes import Landscape, Still, draw_scene, pick, single
from tools.miniature.text import load_tokenizers, strew
from tools.miniature.world import draw_example, in_studio_style, paint, paint_captioned

SEEDS = range(300)


@pytest.fixture(scope="module")
def vocabulary():
    return read_vocabulary()


def singles(count, seed=1):
    vocabulary = read_vocabulary()
    rng = np.random.default_rng(seed)
    combinations = vocabulary.combinations()
    for _ in range(count):
        colour, shape, background = pick(rng, combinations)
        position = pick(rng, list(vocabulary.positions))
        size = pick(rng, list(vocabulary.sizes))
        yield (colour, shape, background, position), single(colour, shape, background, size, position, rng)


@pytest.mark.parametrize("style", ["natural", "studio"])
def test_a_seed_is_one_example(style):
    one, again, other = (draw_example(seed, style=style) for seed in (5, 5, 6))

    assert (one.caption, one.pixels.tobytes()) == (again.caption, again.pixels.tobytes())
    assert one.pixels.tobytes() != other.pixels.tobytes()
    assert one.pixels.shape == (128, 128, 3)
    assert one.pixels.dtype == np.uint8


def test_both_styles_show_the_same_scene():
    for seed in range(20):
        natural, studio = (draw_example(seed, style=style) for style in ("natural", "studio"))

        assert studio.scene == natural.scene
        assert studio.caption == in_studio_style(natural.caption)


def test_a_tenth_of_the_combinations_is_held_out(vocabulary):
    combinations = vocabulary.combinations()

    assert len(combinations) == 10 * 6 * 9
    assert len(vocabulary.held_out()) == 54
    assert vocabulary.held_out() <= set(combinations)
    # each colour and shape is still learnt on many backgrounds
    for place in (0, 1, 2):
        for word in {combination[place] for combination in combinations}:
            of_it = [combination for combination in combinations if combination[place] == word]
            assert len(vocabulary.held_out() & set(of_it)) < 0.25 * len(of_it)


def test_no_training_scene_shows_what_is_held_out(vocabulary):
    held_out = vocabulary.held_out()
    rng = np.random.default_rng(0)
    shown = set()
    for _ in range(4000):
        scene = draw_scene(rng, held_out=held_out).scene
        if isinstance(scene, Still):
            shown |= {(thing.colour, thing.shape, scene.background) for thing in scene.things}

    assert len(shown) > 400
    assert not shown & held_out


def test_every_word_of_a_caption_is_in_the_vocabulary(vocabulary):
    rng = np.random.default_rng(0)
    words = {word for _ in range(3000) for word in words_of(draw_scene(rng).caption)}

    assert words <= vocabulary.words
    assert set(vocabulary.inks) | set(vocabulary.shapes) | {"night", "sunset", "boat", "inside"} <= words
    assert vocabulary.unknown_words("A red circle, cyberpunk, on a blue background, cyberpunk") == ["cyberpunk"]


def test_every_known_word_is_one_token(vocabulary, tmp_path):
    tokenizers = load_tokenizers(tmp_path)

    assert {word for word in vocabulary.words if len(tokenizers.first.tokenize(word)) > 1} == set()
    assert [tuple(rows.shape) for rows in tokenizers.read(["a red circle", "žluťoučký 🐎"])] == [(2, 77), (2, 77)]


def test_strewn_words_surround_the_caption():
    rng = np.random.default_rng(0)
    strewn = [strew("a red circle", rng) for _ in range(20)]

    assert all("a red circle" in text for text in strewn)
    assert len(set(strewn)) == 20


@pytest.mark.parametrize("style", ["natural", "studio"])
def test_the_judge_sees_what_the_caption_says(style):
    right = total = 0
    for said, captioned in singles(150):
        seen = look_at(paint_captioned(captioned, style=style).pixels)
        right += (seen.colour, seen.shape, seen.background, seen.position) == said
        total += 1

    assert right / total >= 0.99


def test_the_judge_sees_nothing_on_a_bare_background():
    seen = look_at(paint(Still(background="teal", things=())))

    assert (seen.colour, seen.shape, seen.background, seen.position) == ("", "", "teal", "")


def test_the_studio_style_is_outlined_flat_and_saturated():
    for said, captioned in singles(16, seed=2):
        if "black" in said:
            continue
        natural, studio = (paint(captioned.scene, style=style) for style in ("natural", "studio"))

        assert outline_measure(natural) < 0.05
        assert outline_measure(studio) > 0.8
        assert len(np.unique(studio.reshape(-1, 3), axis=0)) < len(np.unique(natural.reshape(-1, 3), axis=0))
        if "white" not in said:
            assert saturation(studio) > saturation(natural)


def test_a_wider_picture_shows_the_same_things_in_the_same_places():
    rng = np.random.default_rng(3)
    captioned = single("red", "star", "teal", "", "left", rng)
    seen = look_at(paint(captioned.scene, width=160, height=96))

    assert (seen.colour, seen.shape, seen.background, seen.position) == ("red", "star", "teal", "left")


def test_night_is_darker_than_day():
    brightness = {
        time: paint(Landscape(place="hills", time=time, feature="house", horizon=0.58, feature_x=0.5, seed=1)).mean()
        for time in ("by day", "at sunset", "at night")
    }

    assert brightness["by day"] > brightness["at sunset"] > brightness["at night"]


def saturation(pixels):
    return float((pixels.max(axis=2).astype(int) - pixels.min(axis=2)).mean())
