"""Explore: the catalogue in groups, for clients that show shelves of models."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from models.card import Card
from models.catalogue import Catalogue
from server.domain.runs import Runs

_TITLES: Final[Mapping[str, str]] = {
    "text-to-image": "Text to image",
    "image-to-image": "Image to image",
    "lora-sdxl": "SDXL with a LoRA",
}
# Categories that say how a model is made or kept; nobody looks for a model by them.
_TECHNICAL: Final = frozenset({"tool", "model", "checkpoint-file", "fp16", "persistent"})


@dataclass(frozen=True, slots=True)
class Shelf:
    """A group of cards."""

    id: str
    title: str
    cards: Sequence[Card]


def explore(catalogue: Catalogue, runs: Mapping[str, Runs]) -> list[Shelf]:
    """Return all models, the most run first, and then a group for each category. No group is empty."""
    cards = sorted(catalogue, key=lambda card: (-runs.get(card.slug, Runs()).total, card.slug))
    if not cards:
        return []
    categories = sorted({category for card in cards for category in card.categories} - _TECHNICAL)
    return [Shelf("all", "All models", cards)] + [
        Shelf(category, _title(category), [card for card in cards if category in card.categories])
        for category in categories
    ]


def _title(category: str) -> str:
    return _TITLES.get(category, category.replace("-", " ").capitalize())
