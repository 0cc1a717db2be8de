"""What a picture shows, before it is painted, and the caption that says so. Everything follows from a seed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import numpy as np

from models.vocabulary import Combination, Vocabulary, read_vocabulary

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """A coloured shape: its middle in parts of width and height, its radius in parts of the shorter side."""

    colour: str
    shape: str
    x: float
    y: float
    radius: float
    turn: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Still:
    """One or two things on a plain background."""

    background: str
    things: tuple[Thing, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Landscape:
    """A place at a time, perhaps with something in it."""

    place: str
    time: str
    feature: str | None
    horizon: float
    feature_x: float
    seed: int


Scene: TypeAlias = Still | Landscape


@dataclass(frozen=True, slots=True)
class Captioned:
    """A scene and what is said of it."""

    caption: str
    scene: Scene


def single(colour: str, shape: str, background: str, size: str, position: str, rng: np.random.Generator) -> Captioned:
    """One thing on a background, captioned in the plainest words."""
    words = read_vocabulary()
    radius = rng.uniform(*words.sizes[size])
    if position:
        radius = min(radius, 0.29)
    margin = 1.06 * radius + 0.02
    x, y = (float(np.clip(rng.normal(middle, 0.012), margin, 1 - margin)) for middle in words.positions[position])
    thing = Thing(colour=colour, shape=shape, x=x, y=y, radius=radius, turn=rng.uniform(-0.14, 0.14))
    caption = f"{a(_named(size, colour, shape))} on {a(background)} background" + (f", {position}" if position else "")
    return Captioned(caption, Still(background=background, things=(thing,)))


def draw_scene(rng: np.random.Generator, *, held_out: frozenset[Combination] = frozenset()) -> Captioned:
    """Draw any scene of the world that shows none of the combinations held out."""
    kind = rng.random()
    if kind < 0.62:  # noqa: PLR2004 - the share of single things
        return _draw_single(rng, held_out)
    if kind < 0.82:  # noqa: PLR2004 - two things; landscapes are the rest
        return _draw_pair(rng, held_out)
    return _draw_landscape(rng)


def _draw_single(rng: np.random.Generator, held_out: frozenset[Combination]) -> Captioned:
    words = read_vocabulary()
    colour, shape, background = _draw_combination(rng, words, held_out)
    size = pick(rng, ("", "", "small", "large"))
    position = pick(rng, [name for name in words.positions if name]) if rng.random() < 0.4 else ""  # noqa: PLR2004
    plain = single(colour, shape, background, size, position, rng)
    named = _named(size, colour, shape)
    where = {"left": "on the left", "right": "on the right", "top": "at the top", "bottom": "at the bottom", "": ""}
    place = f" {where[position]}" if position else ""
    captions = [plain.caption] * 14 + [
        f"{a(named)}{place} on {a(background)} background",
        f"{named}, {background} background" + (f", {position}" if position else ""),
        f"a picture of {a(named)}{place} on {background}",
        f"{background} background, {a(named)}{place}",
        f"{a(named)}{place}",
    ]
    return Captioned(pick(rng, captions), plain.scene)


def _draw_pair(rng: np.random.Generator, held_out: frozenset[Combination]) -> Captioned:
    words = read_vocabulary()
    relation = pick(rng, list(words.relations))
    colour, shape, background = _draw_combination(rng, words, held_out)
    other_colour, other_shape = colour, shape
    while other_colour == colour:
        other_colour, other_shape, _ = _draw_combination(rng, words, held_out, background)
    if relation == "inside":
        other_shape = pick(rng, ("circle", "square", "heart"))
        if held_out & {(other_colour, other_shape, background), (colour, shape, other_colour)}:
            return _draw_pair(rng, held_out)
        inner, outer = rng.uniform(0.12, 0.15), rng.uniform(0.33, 0.37)
        offset = (0.0, 0.03 if other_shape != "heart" else -0.04)
        places = ((0.5 + offset[0], 0.5 + offset[1]), (0.5, 0.5))
    else:
        inner, outer = rng.uniform(0.16, 0.20), rng.uniform(0.16, 0.20)
        dx, dy = words.relations[relation]
        jitter = rng.normal(0, 0.012, 4)
        places = ((0.5 + dx + jitter[0], 0.5 + dy + jitter[1]), (0.5 - dx + jitter[2], 0.5 - dy + jitter[3]))
    first = Thing(colour=colour, shape=shape, x=places[0][0], y=places[0][1], radius=inner)
    second = Thing(colour=other_colour, shape=other_shape, x=places[1][0], y=places[1][1], radius=outer)
    joint = "and" if relation == "left of" and rng.random() < 0.2 else relation  # noqa: PLR2004 - a little variety
    one, other = a(_named("", colour, shape)), a(_named("", other_colour, other_shape))
    caption = f"{one} {joint} {other} on {a(background)} background"
    return Captioned(caption, Still(background=background, things=(second, first)))


def _draw_landscape(rng: np.random.Generator) -> Captioned:
    words = read_vocabulary()
    place, time = pick(rng, words.places), pick(rng, words.times)
    feature = pick(rng, [None, *words.features[place], *words.features[place]])
    scene = Landscape(
        place=place,
        time=time,
        feature=feature,
        horizon=rng.uniform(0.54, 0.62),
        feature_x=rng.uniform(0.3, 0.7),
        seed=int(rng.integers(2**31)),
    )
    bare = {"hills": "hills", "mountains": "mountains", "sea": "the sea", "desert": "a desert", "snow": "snow"}[place]
    within = "on" if place in ("sea", "hills") else "in"
    said = f"a {feature} {within} {bare} {time}" if feature else f"{bare} {time}"
    return Captioned(pick(rng, [said] * 3 + [f"a picture of {said}"]), scene)


def _draw_combination(
    rng: np.random.Generator, words: Vocabulary, held_out: frozenset[Combination], background: str | None = None
) -> Combination:
    colours = list(words.inks)
    while True:
        ground = background or pick(rng, colours)
        combination = (pick(rng, colours), pick(rng, words.shapes), ground)
        if combination[0] != ground and combination not in held_out:
            return combination


def a(noun: str) -> str:
    """A noun with its article."""
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def _named(size: str, colour: str, shape: str) -> str:
    return " ".join(word for word in (size, colour, shape) if word)


def pick(rng: np.random.Generator, options: Sequence[_T]) -> _T:
    """One of several, each as likely."""
    return options[int(rng.integers(len(options)))]
