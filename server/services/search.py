"""How well a card answers a search: words are scored, so that a whole sentence finds its model too."""

import re
from collections.abc import Mapping
from typing import Final

from models.card import Card

MAX_SEARCH: Final = 1000
"""Characters of a search that are looked at."""

_WORD: Final = re.compile(r"[^\W_]+")
_SHORTEST_STEM: Final = 4
_LONGEST_ENDING: Final = 3
_SQUASHED: Final = 4

# Words that a sentence is made of and no model is about.
_FILLER_WORDS: Final = """
a an and any are as at be best by can could do for from get give good has have how i in into is it its like make me
model models my need of on one or our please should some something that the their them these this to tool us use using
want we what which who will with would you your
"""
_FILLERS: Final = frozenset(_FILLER_WORDS.split())
# What people ask for when they mean a category; they rarely call it by its slug.
_ALSO_CALLED: Final[Mapping[str, str]] = {
    "text-to-image": "art artwork create design draw drawing generate generation illustration image paint painting "
    "photo photograph picture poster portrait render scene wallpaper",
    "lora-sdxl": "lora sdxl style",
}
_IN_TITLE: Final = 8.0
_IN_SLUG: Final = 6.0
_IN_TAG: Final = 5.0
_IN_CATEGORY: Final = 4.0
_IN_DESCRIPTION: Final = 2.0
_IN_OTHER_WORDS: Final = 1.0
_STEM: Final = 0.6
"""How much of a word's weight a word of the same stem has."""
_WHOLE: Final = 20.0
"""What a search that is a part of the model's name is worth."""


def words_of(text: str) -> list[str]:
    """Return the words that count in a search, each once."""
    words = dict.fromkeys(_WORD.findall(text[:MAX_SEARCH].casefold()))
    return [word for word in words if word not in _FILLERS]


def score(card: Card, search: str) -> float:
    """Return how well the card answers the search; 0 when it doesn't.

    A blank search is answered by every card: 1; so is one that is about no model in particular ("the best model").
    """
    words, squashed = words_of(search), _squash(search[:MAX_SEARCH])
    if not search.strip() or (squashed and not words):
        return 1.0
    weights = _weights(card)
    named = sum(_best(word, weights) for word in words)
    whole = len(squashed) >= _SQUASHED and any(squashed in _squash(name) for name in (card.title, card.slug))
    return named + (_WHOLE if whole else 0.0)


def _best(word: str, weights: Mapping[str, float]) -> float:
    exact = weights.get(word, 0.0)
    stem = max((weight for known, weight in weights.items() if _same_stem(word, known)), default=0.0) * _STEM
    return max(exact, stem)


def _same_stem(one: str, other: str) -> bool:
    """Whether the words differ in a short ending only, as picture and pictures do."""
    short, long = sorted((one, other), key=len)
    alike = len(short) >= _SHORTEST_STEM and len(long) - len(short) <= _LONGEST_ENDING
    return alike and (long.startswith(short) or (short.endswith("e") and long.startswith(short[:-1])))


def _weights(card: Card) -> dict[str, float]:
    """Return every word the card is known by, with the weight of the best place it stands in."""
    places = [
        (_IN_OTHER_WORDS, " ".join(_ALSO_CALLED.get(category, "") for category in card.categories)),
        (_IN_DESCRIPTION, card.description),
        (_IN_CATEGORY, " ".join(card.categories)),
        (_IN_TAG, " ".join(card.tags)),
        (_IN_SLUG, f"{card.slug} {card.raw_slug}"),
        (_IN_TITLE, card.title),
    ]
    weights: dict[str, float] = {}
    for weight, text in places:
        weights |= dict.fromkeys((word for word in _WORD.findall(text.casefold()) if word not in _FILLERS), weight)
    return weights


def _squash(text: str) -> str:
    return "".join(_WORD.findall(text.casefold()))
