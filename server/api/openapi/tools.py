"""The calls that say which models there are. They need no key."""

from collections.abc import Mapping, Sequence
from typing import Final

from models.card import Card
from models.catalogue import Catalogue
from server.api.openapi import samples
from server.api.openapi.envelope import COMMON, enveloped, refusal
from server.api.openapi.pieces import Answer, Call, Example, inputs, integer, listed, number_or_text, ref, text
from server.api.parameter_wire import groups_wire
from server.api.tool_wire import detail_wire, tool_wire
from server.api.wire import Wire
from server.domain.runs import Runs

_TEXTS: Final = {"type": ["array", "string"], "items": {"type": "string"}}
_SEARCH: Final = inputs(
    {
        "search": text("Words or a sentence; empty for all."),
        "categories": _TEXTS | {"description": "Only models of one of these categories."},
        "tags": _TEXTS | {"description": "Only models with one of these tags."},
        "slugowner": text("Only models of this owner."),
        "sort": text("`relevance`, `id` or `time`; others are taken too."),
        "order": text("`DESC` by default; or `ASC`."),
        "start": number_or_text("How many models to pass over; 0 by default."),
        "limit": number_or_text("How many models to return: 1 to 100, 20 by default."),
        "summary": {"type": ["boolean", "string"], "description": "Whether `parameters` may be left null."},
        "hideworkflows": {"type": ["boolean", "string"], "description": "Taken; there are no workflows."},
    }
)
_NAMED: Final = inputs(
    {
        "slugowner": text("Whose model it is."),
        "slugproject": text("What it is called."),
    },
    required=["slugowner", "slugproject"],
)
_UNKNOWN: Final = Example(
    name="unknown",
    summary="A model that isn't there",
    body={"slugowner": "nobody", "slugproject": "nothing"},
    answer=refusal("slug-owner-project-not-exist", 1),
)
_STUDIO: Final[Wire] = {"slugowner": samples.OWNER, "slugproject": samples.MODEL}


def tool_calls(catalogue: Catalogue) -> Sequence[Call]:
    """Return the calls under /v1/Tool."""
    card = catalogue.find(samples.OWNER, samples.MODEL)
    return (_list(card), _detail(card), _explore(card), _document())


def _list(card: Card | None) -> Call:
    answered: Wire = {"total": integer("How many models fit."), "tool": listed(ref("Tool"))}
    example = Example(
        name="search",
        summary="Search in words",
        body={"search": "a style of anime", "start": "0", "limit": "1", "summary": True},
        answer={"result": True, "errors": [], "total": 1, "tool": _tools(card)},
    )
    summary, outcome = "Search the models.", "A page of models"
    return _call("Tool/List", summary, enveloped(outcome, answered), _SEARCH, example)


def _detail(card: Card | None) -> Call:
    example = Example(
        name="model",
        summary="A model and its inputs (the first group)",
        body=dict(_STUDIO),
        answer={
            "result": True,
            "errors": [],
            "tool": [_short(card)] if card else [],
        },
    )
    answers = enveloped("The model", {"tool": listed(ref("ToolDetail"))})
    return _call("Tool/Detail", "Read a model and its inputs.", answers, _NAMED, example, _UNKNOWN)


def _explore(card: Card | None) -> Call:
    shelf = {
        "id": text("The category."),
        "title": text("What people read."),
        "total": integer("How many models are in it."),
        "tools": listed(ref("Tool")),
    }
    properties: Wire = {"explore": listed({"type": "object", "required": list(shelf), "properties": shelf})}
    tools = _tools(card)
    example = Example(
        name="all",
        summary="All models in groups",
        body={},
        answer={
            "result": True,
            "errors": [],
            "explore": [{"id": "all", "title": "All models", "total": len(tools), "tools": tools}],
        },
    )
    answers = enveloped("The models, in groups", properties)
    return _call("Tool/Explore", "List all models in groups.", answers, {"type": "object"}, example)


def _document() -> Call:
    document: Wire = {
        "type": "object",
        "description": "An OpenAPI 3.1 document.",
        "required": ["openapi", "info", "servers", "security", "paths", "components"],
        "properties": {"openapi": {"const": "3.1.0"}},
    }
    answer = Answer(description="The document, or `errors` says why not.", schema={"oneOf": [document, ref("Refusal")]})
    summary = "Read an OpenAPI document of one model."
    return _call("Tool/DetailOpenAPI", summary, {200: answer}, _NAMED, _UNKNOWN)


def _call(name: str, summary: str, answers: Mapping[int, Answer], body: Wire, *examples: Example) -> Call:
    return Call(
        method="post",
        path=f"/v1/{name}",
        tag="Models",
        name=name,
        summary=summary,
        body=body,
        answers=answers,
        common=COMMON,
        examples=examples,
    )


def _tools(card: Card | None) -> list[Wire]:
    return [tool_wire(card, Runs(), samples.BASE, parameters=False)] if card else []


def _short(card: Card) -> Wire:
    """Return the model with its first inputs alone: an example is to be read."""
    first = groups_wire(card)[0]
    return {**detail_wire(card, Runs(), samples.BASE), "parameters": [first], "readme": "<h1>…</h1>"}
