"""What is read with GET: probes, texts and pictures of models, and this document. None needs a key."""

from collections.abc import Sequence
from typing import Final

from server.api.openapi import samples
from server.api.openapi.envelope import COMMON
from server.api.openapi.pieces import Answer, Call, Example, fields, flag, in_path, in_query, listed, text
from server.api.wire import Wire

_TEXT: Final = "text/plain"
_OWNER: Final = in_path("owner", "Whose model it is.", samples.OWNER)
_NAME: Final = in_path("name", "What it is called.", samples.MODEL)
_MISSING: Final = Answer(
    description="There is no such model.",
    media_types=(_TEXT, "application/json"),
    schema={"type": ["string", "object"]},
)


def page_calls() -> Sequence[Call]:
    """Return the calls outside of /v1."""
    return (
        _text("llms.txt", "Read how to run a model, in words for language models."),
        _text("llms-full.txt", "Read the same with every call and sample inputs."),
        _cover(),
        _healthz(),
        _readyz(),
        _metrics(),
        _read("/openapi.json", "Read this document.", "application/json", {"type": "object"}),
        _read("/docs", "Read this document as a page.", "text/html", {"type": "string"}),
        _read("/docs/page.css", "Read the page's style.", "text/css", {"type": "string"}),
    )


def _text(file: str, summary: str) -> Call:
    answer = Answer(description="The text.", media_types=(_TEXT,), schema={"type": "string"})
    return _of_model(file, summary, answer)


def _cover() -> Call:
    answer = Answer(description="A PNG of 640 × 360.", media_types=("image/png",), schema={})
    return _of_model("cover.png", "Read a model's cover picture.", answer)


def _of_model(file: str, summary: str, answer: Answer) -> Call:
    return Call(
        method="get",
        path=f"/models/{{owner}}/{{name}}/{file}",
        tag="Models",
        name=file,
        summary=summary,
        parameters=(_OWNER, _NAME),
        answers={200: answer, 404: _MISSING},
        common=COMMON,
    )


def _healthz() -> Call:
    return Call(
        method="get",
        path="/healthz",
        tag="Probes",
        name="healthz",
        summary="Ask whether the process lives.",
        answers={200: Answer(description="It does.", schema=fields({"ok": {"const": True}}))},
        common=COMMON,
        examples=(Example(name="alive", summary="It lives", answer={"ok": True}),),
    )


def _readyz() -> Call:
    trouble = {"anyOf": [text("What is wrong."), {"type": "null"}]}
    ready: Wire = fields({"ok": flag("Whether it can."), "trouble": trouble})
    errors: Wire = fields({"result": {"const": False}, "errors": listed({"type": "object"})})
    return Call(
        method="get",
        path="/readyz",
        tag="Probes",
        name="readyz",
        summary="Ask whether the process can work.",
        parameters=(in_query("worker", "`1`: whether a worker has its model loaded, too."),),
        answers={
            200: Answer(description="It can.", schema=ready),
            503: Answer(description="It can't; `trouble` says why.", schema={"oneOf": [ready, errors]}),
        },
        examples=(Example(name="ready", summary="It can", answer={"ok": True, "trouble": None}),),
    )


def _metrics() -> Call:
    told: Wire = {"type": "string"}
    return Call(
        method="get",
        path="/metrics",
        tag="Probes",
        name="metrics",
        summary="Read figures for Prometheus: with a bearer token where one is set, else from this machine.",
        answers={
            200: Answer(description="Prometheus's text format.", media_types=(_TEXT,), schema=told),
            401: Answer(description="The bearer token is missing or wrong.", media_types=(_TEXT,), schema=told),
            403: Answer(description="No token is set, and this is another machine.", media_types=(_TEXT,), schema=told),
        },
        common=COMMON,
    )


def _read(path: str, summary: str, media_type: str, schema: Wire) -> Call:
    return Call(
        method="get",
        path=path,
        tag="Probes",
        name=path.removeprefix("/"),
        summary=summary,
        answers={200: Answer(description="It.", media_types=(media_type,), schema=schema)},
        common=COMMON,
    )
