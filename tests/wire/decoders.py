"""Strict decoders of tool answers: what the Go client (trap 24), the MCP server (§11) and the SDKs (§8, §9) insist on.

A shape maps each key to its type, or to an inner shape; `Optional` keys may be absent, `Nullable` ones null. Types are
exact: a number is no string, true is no number.
"""

import json
import re
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import urlsplit

NUMBER = (int, float)
_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_NUMERIC = re.compile(r"-?\d+(\.\d+)?")


@dataclass(frozen=True)
class Optional:
    """A key that may be absent."""

    shape: "Shape"


@dataclass(frozen=True)
class Nullable:
    """A key that is there, and may be null."""

    shape: "Shape"


Shape: TypeAlias = Any

OPTION = {"label": str, "text": str, "value": str}
ITEM = {
    # the Go client's vocabulary
    "id": str,
    "type": str,
    "class": str,
    "label": str,
    "placeholder": str,
    "note": str,
    "rows": str,
    "defaultvalue": str,
    "value": str,
    "minvalue": str,
    "maxvalue": str,
    "incrementby": str,
    "optionsLoad": str,
    "maxinputlenght": int,
    "required": bool,
    "advanced": bool,
    "quick": bool,
    "options": Optional([OPTION]),
    # the SDKs'
    "description": str,
    "default": Optional((str, int, float)),
    "min": Optional(NUMBER),
    "max": Optional(NUMBER),
    "step": Optional(NUMBER),
}
GROUP = {"title": str, "subtitle": str, "items": [ITEM]}
TOOL = {
    "id": str,
    "title": str,
    "slugowner": str,
    "slugproject": str,
    "cleanslugowner": str,
    "cleanslugproject": str,
    "description": str,
    "seotitle": str,
    "seodescription": str,
    "image": str,
    "computingtime": str,
    "categories": [str],
    "tags": [str],
    "samples": [str],
    "marketplace": int,
    "onlymembers": str,
    "averagepoint": str,
    "commentcount": str,
    "ratedusercount": str,
    "dynamicprice": str,
    "cps": str,
    "approximatelycost": str,
    "taskstat": {"runcount": int, "successcount": str, "errorcount": str, "lastruntime": str},
    "parameters": Nullable([GROUP]),
}
DETAIL = {**TOOL, "parameters": [GROUP], "readme": str, "inspire": [dict]}
LIST_ANSWER = {"result": bool, "errors": [dict], "total": int, "tool": [TOOL]}
DETAIL_ANSWER = {"result": bool, "errors": [dict], "tool": [DETAIL]}
EXPLORE_ANSWER = {
    "result": bool,
    "errors": [dict],
    "explore": [{"id": str, "title": str, "total": int, "tools": [TOOL]}],
}


def decode(value: Any, shape: Shape, where: str = "answer") -> Any:
    """Return the value if it has exactly that shape; raise AssertionError with the place that hasn't."""
    match shape:
        case Optional(inner) | Nullable(inner):
            if value is not None or isinstance(shape, Optional):
                decode(value, inner, where)
        case dict():
            assert type(value) is dict, f"{where} is {value!r}"
            needed = {key for key, inner in shape.items() if not isinstance(inner, Optional)}
            assert needed <= set(value) <= set(shape), f"{where} has {sorted(value)}"
            for key, inner in value.items():
                decode(inner, shape[key], f"{where}.{key}")
        case [inner]:
            assert type(value) is list, f"{where} is {value!r}"
            for place, item in enumerate(value):
                decode(item, inner, f"{where}[{place}]")
        case tuple():
            assert type(value) in shape, f"{where} is {value!r}"
        case _:
            assert type(value) is shape, f"{where} is {value!r}"
    return value


def check_tool(tool: dict[str, Any], base: str) -> None:
    """Check what a tool's strings must hold."""
    for name in ("cleanslugowner", "cleanslugproject"):
        assert _SLUG.fullmatch(tool[name]), f"{name} is {tool[name]!r}"
    for name in ("id", "averagepoint", "commentcount", "ratedusercount", "cps", "approximatelycost"):
        assert _NUMERIC.fullmatch(tool[name]), f"{name} is {tool[name]!r}"
    for name in ("successcount", "errorcount", "lastruntime"):
        assert tool["taskstat"][name].isdigit()
    assert tool["image"].startswith(f"{base}/")
    assert urlsplit(tool["image"]).scheme in {"http", "https"}
    [price] = json.loads(tool["dynamicprice"])
    assert decode(price, {"inputs": dict, "price": float, "priceMethod": str})
    for group in tool["parameters"] or ():
        for item in group["items"]:
            check_item(item)


def check_item(item: dict[str, Any]) -> None:
    """Check that both vocabularies of a parameter say the same."""
    for number, text in (("min", "minvalue"), ("max", "maxvalue"), ("step", "incrementby")):
        assert (number in item) == (item[text] != "")
        if number in item:
            assert float(item[text]) == item[number]
    if item["type"] == "select":
        assert [option["label"] for option in item["options"]] == [option["text"] for option in item["options"]]
        assert item["default"] in [option["value"] for option in item["options"]]
    else:
        assert "options" not in item
    default = item.get("default", "")
    same = float(item["defaultvalue"]) == default if type(default) in NUMBER else item["defaultvalue"] == default
    assert same, item["id"]
    assert item["value"] == item["defaultvalue"]
