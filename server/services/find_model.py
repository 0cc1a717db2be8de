"""Find a model by whatever a client calls it."""

import re

from models.card import Card
from models.catalogue import Catalogue
from server.domain.errors import UnknownModel


def clean(text: str) -> str:
    """Return a name as slugs are written: lower case, with hyphens between its words."""
    return re.sub(r"[\s_-]+", "-", text.strip().casefold())


def find_model(catalogue: Catalogue, owner: str, name: str) -> Card:
    """Return the card of these clean or raw slugs, in any case; raise UnknownModel."""
    card = catalogue.find(owner.strip(), name.strip())
    if card is None:
        wanted = clean(owner), clean(name)
        card = next((each for each in catalogue if wanted in _names(each)), None)
    if card is None:
        raise UnknownModel
    return card


def _names(card: Card) -> set[tuple[str, str]]:
    owner = clean(card.owner)
    raw_owner, _, raw_name = (card.raw_slug or card.slug).partition("/")
    return {(owner, clean(card.name)), (owner, clean(card.title)), (clean(raw_owner), clean(raw_name))}
