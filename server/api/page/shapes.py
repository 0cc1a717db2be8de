"""Schemas as people read them: a type in a few words, and a table of fields."""

import re
from html import escape
from typing import Any, Final, TypeAlias

Json: TypeAlias = dict[str, Any]

_SCHEMAS: Final = "#/components/schemas/"
_CODE: Final = re.compile(r"`([^`]+)`")
_BOUNDS: Final = {
    "minimum": "at least",
    "maximum": "at most",
    "multipleOf": "a multiple of",
    "maxLength": "characters at most:",
}


def anchor(name: str) -> str:
    """Return the id of a schema on the page."""
    return escape(f"schema-{name}")


def prose(text: object) -> str:
    """Return a sentence as HTML; what stands between backquotes is code."""
    return _CODE.sub(r"<code>\1</code>", escape(str(text)))


def type_html(schema: Json) -> str:
    """Return what a value is, with links to the schemas it refers to."""
    if "$ref" in schema:
        name = str(schema["$ref"]).removeprefix(_SCHEMAS)
        return f'<a href="#{anchor(name)}">{escape(name)}</a>'
    if "const" in schema:
        return f"<code>{escape(_value(schema['const']))}</code>"
    if "enum" in schema:
        return " | ".join(f"<code>{escape(_value(each))}</code>" for each in schema["enum"])
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " or ".join(type_html(each) for each in schema[several])
    kinds = schema.get("type", "anything")
    if isinstance(kinds, list):
        return " or ".join(_kind(str(kind), schema) for kind in kinds)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]  JSON
    return _kind(str(kinds), schema)


def fields_html(schema: Json) -> str:
    """Return the table of an object's fields; "" for one without any that are known."""
    properties: Json = schema.get("properties", {})
    if not properties:
        return ""
    required = schema.get("required", ())
    rows = "".join(_row(name, field, needed=name in required) for name, field in properties.items())
    return f'<div class="wide"><table><thead><tr><th>Field<th>Type<th>Meaning<tbody>{rows}</table></div>'


def _kind(kind: str, schema: Json) -> str:
    if kind == "array":
        return f"list of {type_html(schema.get('items', {}))}"
    if schema.get("format") == "binary":
        return "file"
    bounds = [f"{words} {schema[name]}" for name, words in _BOUNDS.items() if name in schema]
    return escape(" ".join([{"string": "text"}.get(kind, kind), *([f"({', '.join(bounds)})"] if bounds else [])]))


def _row(name: str, field: Json, *, needed: bool) -> str:
    mark = "" if needed else ' <span class="optional">optional</span>'
    default = f" Default: <code>{escape(_value(field['default']))}</code>." if field.get("default", "") != "" else ""
    meaning = prose(field.get("description", "")) + default
    return f"<tr><td><code>{escape(name)}</code>{mark}<td>{type_html(field)}<td>{meaning}"


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) or '""'
