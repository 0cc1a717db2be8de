"""An OpenAPI 3.1 document of one model (trap 26): its Run with every parameter, and what follows a Run."""

from typing import Final

from models.card import Card, Parameter
from server.api.llms import sample_of
from server.api.parameter_wire import shown_default
from server.api.wire import Wire

_TEXT: Final = {"type": "string"}
_TEXTS: Final = {"type": "array", "items": _TEXT}
_BODY_TYPES: Final = ("application/json", "application/x-www-form-urlencoded", "multipart/form-data")
_TASK_FIELDS: Final = ("id", "socketaccesstoken", "status", "pexit", "debugerror", "elapsedseconds", "totalcost")
_TASK_CALLS: Final = {
    "Detail": "Read a task and its outputs.",
    "Cancel": "Take a task out of the queue.",
    "Kill": "Stop a running task.",
}


def tool_openapi(card: Card, base: str) -> Wire:
    """Return the document. `base` is where clients reach this server."""
    paths = {f"/Run/{card.slug}": {"post": _run(card)}}
    paths |= {f"/Task/{name}": {"post": _task_call(name, summary)} for name, summary in _TASK_CALLS.items()}
    return {
        "openapi": "3.1.0",
        "info": {"title": card.raw_slug or card.slug, "version": "1", "description": card.description},
        "servers": [{"url": f"{base}/v1"}],
        "security": [{"key": []}, {"key": [], "nonce": [], "signature": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "key": _header("x-api-key"),
                "nonce": _header("x-nonce"),
                "signature": _header("x-signature"),
            },
            "schemas": {"Inputs": inputs_schema(card), "Error": _error(), "Task": _task(), "File": _file()},
        },
    }


def _header(name: str) -> Wire:
    return {"type": "apiKey", "in": "header", "name": name}


def _run(card: Card) -> Wire:
    content = {kind: {"schema": {"$ref": "#/components/schemas/Inputs"}} for kind in _BODY_TYPES}
    queued = {**_envelope(), "taskid": _TEXT, "socketaccesstoken": _TEXT}
    return {
        "operationId": "run",
        "summary": f"Run {card.title}.",
        "requestBody": {"required": True, "content": content},
        "responses": _responses("The task is queued, or `errors` says why not.", queued),
    }


def _task_call(name: str, summary: str) -> Wire:
    schema = {
        "type": "object",
        "properties": {"tasktoken": _TEXT, "taskid": _TEXT},
        "anyOf": [{"required": ["tasktoken"]}, {"required": ["taskid"]}],
    }
    tasks = {**_envelope(), "total": _TEXT, "tasklist": {"type": "array", "items": _ref("Task")}}
    return {
        "operationId": name.lower(),
        "summary": summary,
        "requestBody": {"required": True, "content": {_BODY_TYPES[0]: {"schema": schema}}},
        "responses": _responses("The task, or `errors` says why not.", tasks),
    }


def _responses(description: str, properties: Wire) -> Wire:
    content = {_BODY_TYPES[0]: {"schema": {"type": "object", "required": ["result"], "properties": properties}}}
    refused = {_BODY_TYPES[0]: {"schema": {"type": "object", "required": ["result"], "properties": _envelope()}}}
    return {
        "200": {"description": description, "content": content},
        "401": {"description": "The key or the signature is wrong.", "content": refused},
    }


def inputs_schema(card: Card) -> Wire:
    """Return the schema of a model's inputs, with an example."""
    properties = {parameter.id: _property(parameter) for parameter in card.shown_parameters}
    properties["callbackUrl"] = {"type": "string", "description": "An http(s) address of yours."}
    return {
        "type": "object",
        "required": [parameter.id for parameter in card.shown_parameters if parameter.required],
        "properties": properties,
        "examples": [dict(sample_of(card))],
    }


def _property(parameter: Parameter) -> Wire:
    schema: Wire = {"title": parameter.label, "description": parameter.note or parameter.label}
    default = shown_default(parameter)
    if default is not None:
        schema["default"] = default
    if parameter.number is not None:
        # Text is taken too: many clients send every value as text, and "" for what is unset.
        return schema | {"anyOf": [_number(parameter), _TEXT]}
    if parameter.options:
        return schema | {"type": "string", "enum": list(parameter.choices)}
    if parameter.type not in {"text", "textarea"}:  # files: an address, or a part of a multipart body
        return schema | {"anyOf": [_TEXT, _TEXTS]}
    return schema | _TEXT | ({} if parameter.max_length is None else {"maxLength": parameter.max_length})


def _number(parameter: Parameter) -> Wire:
    bounds = {"minimum": parameter.minimum, "maximum": parameter.maximum, "multipleOf": parameter.multiple_of}
    kind = "integer" if parameter.number == "int" else "number"
    return {"type": kind, **{name: bound for name, bound in bounds.items() if bound is not None}}


def _ref(name: str) -> Wire:
    return {"$ref": f"#/components/schemas/{name}"}


def _envelope() -> Wire:
    return {"result": {"type": "boolean"}, "errors": {"type": "array", "items": _ref("Error")}}


def _error() -> Wire:
    return {
        "type": "object",
        "required": ["code", "message"],
        "properties": {"code": {"type": "integer"}, "message": _TEXT, "time": {"type": "integer"}},
    }


def _task() -> Wire:
    properties: Wire = dict.fromkeys(_TASK_FIELDS, _TEXT)
    outputs = {"type": "array", "items": _ref("File")}
    return {"type": "object", "properties": {**properties, "parameters": {"type": "object"}, "outputs": outputs}}


def _file() -> Wire:
    properties: Wire = dict.fromkeys(("id", "name", "contenttype", "size"), _TEXT)
    return {"type": "object", "properties": {**properties, "url": {"type": "string", "format": "uri"}}}
