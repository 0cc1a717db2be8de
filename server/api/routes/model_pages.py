"""GET /models and /models/{owner}/{name}: what can be drawn here, as pages. Open to all, as Tool/List is."""

from collections.abc import Mapping
from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from models.card import Card, Value
from server.api.base_url import base_url
from server.api.body import Body, Fields
from server.api.pages import PAGES, page
from server.api.wire import Wire
from server.api.wiring import Wired
from server.domain.runs import Runs
from server.services.find_model import find_model
from server.web.form import first_values, form_of, text_of
from server.web.samples import LANGUAGES, TOPICS, samples_of
from server.web.samples.subject import TOKEN, Subject

router = APIRouter(tags=[PAGES])

_MISSING: Final = "There is no such model on this server."
_CALLBACK: Final = "callbackUrl"
_TOKEN_LENGTH: Final = 64
_NEVER: Final = Runs()


@router.get("/models")
def models(request: Request, wiring: Wired) -> Response:
    """Return the page of all models."""
    runs = wiring.statistics.runs()
    cards = [(card, runs.get(card.slug, _NEVER).total) for card in wiring.catalogue]
    return page(request, wiring, "models.html", section="Models", cards=cards)


@router.get("/models/{owner}/{name}")
def model(owner: str, name: str, request: Request, wiring: Wired) -> Response:
    """Return a model's page: its form, its samples of code."""
    card = wiring.catalogue.find(owner, name)
    if card is None:
        return page(request, wiring, "message.html", status=404, section="", heading="Not found", what=_MISSING)
    weights = wiring.installed.weights_of(card.slug)
    return page(
        request,
        wiring,
        "model.html",
        section="Models",
        card=card,
        groups=form_of(card),
        miniature=weights is not None and weights.miniature,
        runs=wiring.statistics.runs().get(card.slug, _NEVER),
        examples=[_example(example) for example in card.inspire],
        topics=TOPICS,
        languages=LANGUAGES,
        samples=samples_of(_subject(card, request, wiring, first_values(card))),
    )


@router.post("/models/{owner}/{name}/samples")
def samples(owner: str, name: str, request: Request, body: Body, wiring: Wired) -> Wire:
    """Return the samples of code with the values of a form. Nothing is looked up and nothing is kept."""
    card = find_model(wiring.catalogue, owner, name)
    made = samples_of(_subject(card, request, wiring, _values(card, body.get("values")), body))
    return {"result": True, "errors": [], "samples": made}


def _subject(
    card: Card, request: Request, wiring: Wired, values: Mapping[str, Value], body: Fields | None = None
) -> Subject:
    token = (body or {}).get("token")
    usable = isinstance(token, str) and token.isascii() and token.isalnum() and len(token) <= _TOKEN_LENGTH
    base = base_url(request, wiring.public_url)
    return Subject(base=base, slug=card.slug, values=values, token=str(token) if usable else TOKEN)


def _values(card: Card, given: object) -> Mapping[str, Value]:
    """Return the texts among `given` that are parameters of the card."""
    known = {parameter.id for parameter in card.shown_parameters if not parameter.takes_files} | {_CALLBACK}
    if not isinstance(given, Mapping):
        return {}
    return {name: value for name, value in given.items() if name in known and isinstance(value, str)}  # pyright: ignore[reportUnknownVariableType]  JSON


def _example(values: Mapping[str, Value]) -> Mapping[str, str]:
    return {name: text_of(value) for name, value in values.items()}
