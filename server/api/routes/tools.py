"""POST /v1/Tool/List, Detail, Explore and DetailOpenAPI: what can be run. Open to all, as on Wiro."""

from collections.abc import Sequence
from typing import Final

from fastapi import APIRouter, Request

from models.card import Card
from server.api.base_url import base_url
from server.api.body import Body, Fields
from server.api.tool_openapi import tool_openapi
from server.api.tool_wire import detail_wire, tool_wire
from server.api.wire import Wire, model_id
from server.api.wiring import Wired
from server.domain.runs import Runs
from server.domain.types import JsonValue
from server.services.explore import explore
from server.services.find_model import find_model
from server.services.list_tools import ToolQuery, list_tools
from server.services.search import MAX_SEARCH

router = APIRouter(prefix="/v1/Tool")

_MAX_LIMIT: Final = 100
_MAX_DIGITS: Final = 9
_NEVER: Final = Runs()
_NO: Final = frozenset({"", "0", "false", "no", "none", "off"})


@router.post("/List")
def page(request: Request, body: Body, wiring: Wired) -> Wire:
    """Return a page of the models that fit a search."""
    runs = wiring.statistics.runs()
    found = list_tools(wiring.catalogue, _query(body), runs, model_id)
    base = base_url(request, wiring.public_url)
    full = str(body.get("summary") or "").strip().casefold() in _NO
    tools = [tool_wire(card, runs.get(card.slug, _NEVER), base, parameters=full) for card in found.cards]
    return {"result": True, "errors": [], "total": found.total, "tool": tools}


@router.post("/Detail")
def detail(request: Request, body: Body, wiring: Wired) -> Wire:
    """Return one model with its parameters."""
    card = _named(body, wiring)
    runs = wiring.statistics.runs().get(card.slug, _NEVER)
    return {"result": True, "errors": [], "tool": [detail_wire(card, runs, base_url(request, wiring.public_url))]}


@router.post("/Explore")
def shelves(request: Request, wiring: Wired) -> Wire:
    """Return all models in groups."""
    runs = wiring.statistics.runs()
    base = base_url(request, wiring.public_url)

    def shown(cards: Sequence[Card]) -> list[Wire]:
        return [tool_wire(card, runs.get(card.slug, _NEVER), base, parameters=False) for card in cards]

    groups = [
        {"id": shelf.id, "title": shelf.title, "total": len(shelf.cards), "tools": shown(shelf.cards)}
        for shelf in explore(wiring.catalogue, runs)
    ]
    return {"result": True, "errors": [], "explore": groups}


@router.post("/DetailOpenAPI")
def document(request: Request, body: Body, wiring: Wired) -> Wire:
    """Return an OpenAPI document of one model."""
    return tool_openapi(_named(body, wiring), base_url(request, wiring.public_url))


def _named(body: Fields, wiring: Wired) -> Card:
    owner, name = _text(body.get("slugowner")), _text(body.get("slugproject"))
    return find_model(wiring.catalogue, owner, name)


def _query(body: Fields) -> ToolQuery:
    """Read a query; what can't be read is as if it weren't there, for no value may fail."""
    return ToolQuery(
        search=_text(body.get("search"))[:MAX_SEARCH],
        categories=_texts(body.get("categories")),
        tags=_texts(body.get("tags")),
        owner=_text(body.get("slugowner")),
        sort=_text(body.get("sort")),
        ascending=_text(body.get("order")).strip().upper() == "ASC",
        start=_count(body.get("start"), 0),
        limit=min(max(_count(body.get("limit"), 20), 1), _MAX_LIMIT),
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: JsonValue) -> tuple[str, ...]:
    texts = [value] if isinstance(value, str) else value if isinstance(value, Sequence) else []
    return tuple(text for text in texts if isinstance(text, str) and text.strip())


def _count(value: object, default: int) -> int:
    text = "" if isinstance(value, int) and abs(value) >= 10**_MAX_DIGITS else str(value).strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS else default
