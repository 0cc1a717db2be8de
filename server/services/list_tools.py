"""List models: which cards answer a query, and in which order."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from models.card import Card
from models.catalogue import Catalogue
from server.domain.runs import Runs
from server.services.find_model import clean
from server.services.search import score


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolQuery:
    """What a client looks for. Of several categories or tags one must fit; a `sort` nobody knows means relevance.

    Cards have no votes, comments or dates: sorted by one of those, or in case of a tie, they stand by their slug.
    """

    search: str = ""
    categories: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    owner: str = ""
    sort: str = "relevance"
    ascending: bool = False
    start: int = 0
    limit: int = 20


@dataclass(frozen=True, slots=True)
class Found:
    """One page of cards, and how many fit in all."""

    total: int
    cards: Sequence[Card]


def list_tools(catalogue: Catalogue, query: ToolQuery, runs: Mapping[str, Runs], id_of: Callable[[str], str]) -> Found:
    """Return the cards that fit. `id_of` gives the number a slug is shown under, for sorting by it."""
    scores = {card.slug: score(card, query.search) for card in catalogue if _fits(card, query)}
    fitting = sorted((card for card in catalogue if scores.get(card.slug)), key=lambda card: card.slug)

    def rank(card: Card) -> tuple[float, ...]:
        match query.sort.casefold():
            case "id":
                return (int(id_of(card.slug)),)
            case "time" | "ratedusercount" | "commentcount" | "averagepoint":
                return ()
            case _:
                return (scores[card.slug], runs.get(card.slug, _NEVER).total)

    fitting.sort(key=rank, reverse=not query.ascending)
    return Found(len(fitting), fitting[query.start : query.start + query.limit])


_NEVER: Final = Runs()


def _fits(card: Card, query: ToolQuery) -> bool:
    return (
        _one_of(query.categories, card.categories)
        and _one_of(query.tags, card.tags)
        and (not query.owner.strip() or clean(query.owner) == clean(card.owner))
    )


def _one_of(wanted: Sequence[str], there: Sequence[str]) -> bool:
    known = {clean(name) for name in there}
    return not wanted or any(clean(name) in known for name in wanted)
