"""The pieces of the document: schemas, examples, answers, and the call they make together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from server.api.wire import Wire

JSON: Final = "application/json"
TEXT: Final[Wire] = {"type": "string"}
BODY_TYPES: Final = (JSON, "application/x-www-form-urlencoded", "multipart/form-data")
"""What a body may be, whatever its label says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A request and what is answered to it; both carry `name`, so that a reader and a test find the pair."""

    name: str
    summary: str
    answer: object
    body: Wire | None = None
    status: int = 200
    media_type: str = JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one status means. Without a schema there is no body."""

    description: str
    media_types: Sequence[str] = (JSON,)
    schema: Wire | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    def wire(self, examples: Sequence[Example]) -> Wire:
        """Return the response object, with those of the examples that are answered so."""
        shown: Wire = {"description": self.description}
        if self.headers:
            shown["headers"] = {name: {"description": what, "schema": TEXT} for name, what in self.headers.items()}
        if self.schema is not None:
            shown["content"] = {kind: self._content(kind, self.schema, examples) for kind in self.media_types}
        return shown

    def _content(self, kind: str, schema: Wire, examples: Sequence[Example]) -> Wire:
        found = {each.name: _example(each, each.answer) for each in examples if each.media_type == kind}
        return {"schema": schema, **({"examples": found} if found else {})}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One method of one path. `common` names shared answers: status by component."""

    method: str
    path: str
    tag: str
    name: str
    summary: str
    description: str = ""
    parameters: Sequence[Wire] = ()
    body: Wire | None = None
    answers: Mapping[int, Answer]
    common: Mapping[int, str] = field(default_factory=dict[int, str])
    examples: Sequence[Example] = ()
    keyed: bool = False

    def wire(self) -> Wire:
        """Return the operation object."""
        shown: Wire = {"operationId": self.name, "tags": [self.tag], "summary": self.summary}
        if self.description:
            shown["description"] = self.description
        if self.parameters:
            shown["parameters"] = list(self.parameters)
        if self.body is not None:
            shown["requestBody"] = {"content": {kind: self._request(kind, self.body) for kind in self._body_types()}}
        shown["responses"] = self._responses()
        if not self.keyed:
            shown["security"] = []
        return shown

    def _body_types(self) -> Sequence[str]:
        return ("multipart/form-data",) if self.name == "File/Upload" else BODY_TYPES

    def _request(self, kind: str, schema: Wire) -> Wire:
        found = {it.name: _example(it, it.body) for it in self.examples if it.body is not None}
        return {"schema": schema, **({"examples": found} if found and kind == self._body_types()[0] else {})}

    def _responses(self) -> Wire:
        own = {
            str(status): answer.wire([each for each in self.examples if each.status == status])
            for status, answer in self.answers.items()
        }
        shared = {str(status): {"$ref": f"#/components/responses/{name}"} for status, name in self.common.items()}
        return dict(sorted((own | shared).items()))


def _example(example: Example, value: object) -> Wire:
    return {"summary": example.summary, "value": value}


def text(description: str, **more: object) -> Wire:
    """Return the schema of a text."""
    return {"type": "string", "description": description, **more}


def number_text(description: str) -> Wire:
    """Return the schema of a number written as text, as Wiro writes all of them; "" where it isn't known."""
    return text(description, pattern=r"^(-?[0-9]+(\.[0-9]+)?)?$")


def integer(description: str, **more: object) -> Wire:
    """Return the schema of a whole number."""
    return {"type": "integer", "description": description, **more}


def flag(description: str) -> Wire:
    """Return the schema of true or false."""
    return {"type": "boolean", "description": description}


def number_or_text(description: str) -> Wire:
    """Return the schema of a number that may be sent as text."""
    return {"type": ["string", "integer"], "description": description}


def listed(items: Wire, description: str = "") -> Wire:
    """Return the schema of a list."""
    return {"type": "array", "items": items, **({"description": description} if description else {})}


def anything(description: str) -> Wire:
    """Return the schema of an object whose fields are not fixed."""
    return {"type": "object", "description": description, "additionalProperties": True}


def fields(properties: Wire, *, optional: Sequence[str] = (), description: str = "") -> Wire:
    """Return the schema of an object of exactly these fields; all but the optional ones are always there."""
    return {
        "type": "object",
        **({"description": description} if description else {}),
        "required": [name for name in properties if name not in optional],
        "properties": properties,
        "additionalProperties": False,
    }


def inputs(properties: Wire, required: Sequence[str] = ()) -> Wire:
    """Return the schema of what a client sends; fields that nobody knows are ignored."""
    return {"type": "object", **({"required": list(required)} if required else {}), "properties": properties}


def ref(name: str) -> Wire:
    """Return a reference to a schema among the components."""
    return {"$ref": f"#/components/schemas/{name}"}


def in_path(name: str, description: str, example: str) -> Wire:
    """Return a parameter that is part of the path."""
    return _parameter("path", name, description, TEXT) | {"required": True, "example": example}


def in_header(name: str, description: str, schema: Wire = TEXT) -> Wire:
    """Return a header that may be sent."""
    return _parameter("header", name, description, schema)


def in_query(name: str, description: str, schema: Wire = TEXT) -> Wire:
    """Return a parameter of the query string, which may be left out."""
    return _parameter("query", name, description, schema)


def _parameter(place: str, name: str, description: str, schema: Wire) -> Wire:
    return {"name": name, "in": place, "description": description, "schema": schema}
