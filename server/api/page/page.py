"""The page: what the document says, for people."""

from collections.abc import Iterator, Sequence
from html import escape
from importlib import resources
from typing import Final
from urllib.parse import urlsplit

from server.api.page.examples import examples_html
from server.api.page.shapes import Json, anchor, fields_html, prose, type_html

_NOTHING: Final[Json] = {}
_METHODS: Final = ("get", "head", "post")
_RESPONSES: Final = "#/components/responses/"


def style() -> str:
    """Return the page's style sheet."""
    return resources.files("server.api.page").joinpath("page.css").read_text(encoding="utf-8")


def page_html(document: Json) -> str:
    """Return the page of an OpenAPI document."""
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>easel: HTTP API</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="stylesheet" href="'
        f'{_prefix(document)}/docs/page.css">'
        f"<body>{_contents(document)}<main>{_intro(document)}{_security(document)}"
        f"{''.join(_room(document, tag) for tag in document['tags'])}{_schemas(document)}</main></body></html>"
    )


def _calls(document: Json, tag: str) -> Iterator[tuple[str, str, Json]]:
    for path, methods in document["paths"].items():
        for method in _METHODS:
            if method in methods and tag in methods[method]["tags"]:
                yield method, path, methods[method]


def _contents(document: Json) -> str:
    rooms = "".join(
        f'<h2><a href="#{escape(tag["name"])}">{escape(tag["name"])}</a></h2><ul>'
        + "".join(
            f'<li><a href="#{_id(call)}">{escape(path.removeprefix("/v1"))}</a> <small>{method.upper()}</small>'
            for method, path, call in _calls(document, tag["name"])
        )
        + "</ul>"
        for tag in document["tags"]
    )
    return f'<nav><h1><a href="#top">easel</a></h1>{rooms}<h2><a href="#schemas">Schemas</a></h2></nav>'


def _intro(document: Json) -> str:
    about = "".join(f"<p>{prose(part)}</p>" for part in document["info"]["description"].split("\n\n"))
    base = escape(document["servers"][0]["url"])
    return (
        f'<header id="top"><h1>easel: HTTP API</h1>{about}<p>This server: <code>{base}</code>. '
        f'This page as an OpenAPI 3.1 document: <a href="{_prefix(document)}/openapi.json">openapi.json</a>.'
        "</p></header>"
    )


def _security(document: Json) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(scheme['name'])}</code><td>{prose(scheme['description'])}"
        for scheme in document["components"]["securitySchemes"].values()
    )
    shell = (
        "export KEY=your-api-key SECRET=your-api-secret NONCE=$(date +%s)\n"
        'export SIGNATURE=$(printf %s "$SECRET$NONCE" | openssl dgst -sha256 -hmac "$KEY")'
    )
    return (
        '<section id="keys"><h2>Keys</h2><p>Calls marked “key” carry these headers; the last two only where '
        f'the project signs. An address that fails too often gets 429.</p><div class="wide"><table>{rows}</table></div>'
        f"<pre>{escape(shell)}</pre></section>"
    )


def _room(document: Json, tag: Json) -> str:
    calls = "".join(_call(document, *each) for each in _calls(document, tag["name"]))
    name = escape(tag["name"])
    return f'<section id="{name}"><h2>{name}</h2><p>{prose(tag["description"])}</p>{calls}</section>'


def _call(document: Json, method: str, path: str, call: Json) -> str:
    key = '<span class="key">key</span>' if "security" not in call else ""
    about = f"<p>{prose(call['description'])}</p>" if "description" in call else ""
    return (
        f'<article id="{_id(call)}"><h3><span class="method {method}">{method.upper()}</span> '
        f"<code>{escape(path)}</code>{key}</h3><p><b>{escape(call['summary'])}</b></p>{about}"
        f"{_parameters(call)}{_body(document, call)}{_answers(document, call)}"
        f"{examples_html(document['servers'][0]['url'], path, call)}</article>"
    )


def _parameters(call: Json) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(it['name'])}</code><td>{escape(it['in'])}<td>{prose(it['description'])}"
        for it in call.get("parameters", ())
    )
    return f'<h4>Parameters</h4><div class="wide"><table><tbody>{rows}</table></div>' if rows else ""


def _body(document: Json, call: Json) -> str:
    if "requestBody" not in call:
        return ""
    schema: Json = next(iter(call["requestBody"]["content"].values()))["schema"]
    table = fields_html(schema)
    if "anyOf" in schema:
        names = [str(each["$ref"]).rpartition("/")[2] for each in schema["anyOf"]]
        # An anchor stands once: Plan takes what Run takes, and only points there.
        show = _inputs if call["operationId"] == "Run" else _inputs_link
        table = "".join(show(document, name) for name in names)
    return f"<h4>Body</h4>{table}" if table else ""


def _inputs(document: Json, name: str) -> str:
    schema: Json = document["components"]["schemas"][name]
    return f'<details id="{anchor(name)}"><summary>{escape(_model(name))}</summary>{fields_html(schema)}</details>'


def _inputs_link(_document: Json, name: str) -> str:
    return f'<p><a href="#{anchor(name)}">{escape(_model(name))}</a></p>'


def _model(name: str) -> str:
    return name.removeprefix("Inputs.").replace(".", "/", 1)


def _answers(document: Json, call: Json) -> str:
    rows = "".join(_answer(document, status, response) for status, response in call["responses"].items())
    return f'<h4>Answers</h4><div class="wide"><table class="answers"><tbody>{rows}</table></div>'


def _answer(document: Json, status: str, response: Json) -> str:
    if "$ref" in response:
        response = document["components"]["responses"][str(response["$ref"]).removeprefix(_RESPONSES)]
    shapes = [content["schema"] for content in response.get("content", {}).values()]
    shown: Json = shapes[0] if shapes else {}
    either: Sequence[Json] = shown.get("oneOf", ())
    success: Json = next((each for each in either if "properties" in each), _NOTHING)
    return f"<tr><td><code>{status}</code><td>{prose(response['description'])}{fields_html(success)}"


def _schemas(document: Json) -> str:
    shown = "".join(
        f'<article id="{anchor(name)}"><h3>{escape(name)}</h3>{fields_html(schema) or type_html(schema)}</article>'
        for name, schema in document["components"]["schemas"].items()
        if not name.startswith("Inputs.")
    )
    return f'<section id="schemas"><h2>Schemas</h2>{shown}</section>'


def _prefix(document: Json) -> str:
    """Return the path under which clients reach this server: "" unless it has a part of a host to itself."""
    return escape(urlsplit(str(document["servers"][0]["url"])).path)


def _id(call: Json) -> str:
    return escape(str(call["operationId"]).replace("/", "-"))
