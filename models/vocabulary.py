"""Reading `miniature/vocabulary.toml`, the words that the miniature knows."""

import functools
import hashlib
import itertools
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Final, TypeAlias

Rgb: TypeAlias = tuple[float, float, float]
Combination: TypeAlias = tuple[str, str, str]

HELD_OUT_PART: Final = 10


@dataclass(frozen=True, slots=True)
class Ink:
    """A colour in both styles, 0 to 1."""

    natural: Rgb
    studio: Rgb


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """What pictures are made of. Sizes are ranges of radii, positions and relations are places and offsets."""

    inks: Mapping[str, Ink]
    shapes: tuple[str, ...]
    sizes: Mapping[str, tuple[float, float]]
    positions: Mapping[str, tuple[float, float]]
    relations: Mapping[str, tuple[float, float]]
    places: tuple[str, ...]
    times: tuple[str, ...]
    features: Mapping[str, tuple[str, ...]]
    trigger: str
    fillers: tuple[str, ...]
    words: frozenset[str]

    def combinations(self) -> list[Combination]:
        """Each (colour, shape, background) whose two colours differ."""
        every = itertools.product(self.inks, self.shapes, self.inks)
        return [(colour, shape, ground) for colour, shape, ground in every if colour != ground]

    def held_out(self) -> frozenset[Combination]:
        """The tenth of the combinations that no training picture shows."""
        ranked = sorted(self.combinations(), key=lambda parts: hashlib.sha256(" ".join(parts).encode()).digest())
        return frozenset(ranked[: len(ranked) // HELD_OUT_PART])

    def unknown_words(self, prompt: str) -> list[str]:
        """The words of a prompt that no training caption held, in their order."""
        return [word for word in dict.fromkeys(words_of(prompt)) if word not in self.words]


def words_of(text: str) -> list[str]:
    """The words of a text in lower case."""
    return re.findall(r"[^\W_]+", text.lower())


@functools.cache
def read_vocabulary() -> Vocabulary:
    """Read the file that ships with the miniature."""
    file = resources.files("models").joinpath("miniature", "vocabulary.toml")
    content = tomllib.loads(file.read_text(encoding="utf-8"))
    landscapes = content["landscapes"]
    features = {place: tuple(names) for place, names in landscapes["features"].items()}
    phrases = [
        *content["articles"], *content["glue"], *content["colours"], *content["sizes"], *content["positions"],
        *content["relations"], *content["shapes"]["names"], *landscapes["places"], *landscapes["times"],
        *itertools.chain(*features.values()), content["studio"]["trigger"], *content["fillers"]["words"],
    ]  # fmt: skip
    return Vocabulary(
        inks={name: Ink(_rgb(ink["natural"]), _rgb(ink["studio"])) for name, ink in content["colours"].items()},
        shapes=tuple(content["shapes"]["names"]),
        sizes={name: (low, high) for name, (low, high) in content["sizes"].items()},
        positions={name: (x, y) for name, (x, y) in content["positions"].items()},
        relations={name: (x, y) for name, (x, y) in content["relations"].items()},
        places=tuple(landscapes["places"]),
        times=tuple(landscapes["times"]),
        features=features,
        trigger=content["studio"]["trigger"],
        fillers=tuple(content["fillers"]["words"]),
        words=frozenset(itertools.chain(*map(words_of, phrases))),
    )


def _rgb(values: list[int]) -> Rgb:
    red, green, blue = values
    return red / 255, green / 255, blue / 255
