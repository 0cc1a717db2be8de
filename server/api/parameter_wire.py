"""A card's parameters as Tool/Detail shows them, in both vocabularies (wire contract §9 and trap 24)."""

from typing import Final

from models.card import Card, Parameter, Value
from models.numbers import MAX_NUMBER_LENGTH
from server.api.wire import Wire

_ROWS: Final = "4"


def groups_wire(card: Card) -> list[Wire]:
    """Return the groups of parameters."""
    return [
        {"title": group.title, "subtitle": group.subtitle, "items": [item_wire(item) for item in group.items]}
        for group in card.shown_groups
    ]


def item_wire(parameter: Parameter) -> Wire:
    """Return one parameter. Real numbers are left out where there is none: clients read null as 0 (trap 18)."""
    default = shown_default(parameter)
    item: Wire = {
        "id": parameter.id,
        "type": parameter.type,
        "class": "",
        "label": parameter.label,
        "placeholder": parameter.placeholder,
        "note": parameter.note,
        "description": parameter.note,
        "rows": _ROWS if parameter.type == "textarea" else "",
        "defaultvalue": text_of(default),
        "value": text_of(default),
        "minvalue": "",
        "maxvalue": "",
        "incrementby": "",
        "optionsLoad": "",
        "maxinputlenght": parameter.max_length or (MAX_NUMBER_LENGTH if parameter.number else 0),
        "required": parameter.required,
        "advanced": False,
        "quick": parameter.required,
    }
    if default is not None:
        item["default"] = default
    if parameter.type == "range":
        item |= _bounds(parameter)
    if parameter.options:
        item["options"] = [{"label": it.label, "text": it.label, "value": it.value} for it in parameter.options]
    return item


def shown_default(parameter: Parameter) -> Value | None:
    """Return the default as clients see it: "" for a random number, None for what must be given."""
    return "" if parameter.random_when_unset else parameter.default


def text_of(value: Value | None) -> str:
    """Return a value as text: 4.0 as "4", nothing as ""."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if value is None else str(value)


def _bounds(parameter: Parameter) -> Wire:
    bounds = (
        ("min", "minvalue", parameter.minimum),
        ("max", "maxvalue", parameter.maximum),
        ("step", "incrementby", parameter.step),
    )
    known = [(number, text, value) for number, text, value in bounds if value is not None]
    return {**{number: value for number, _, value in known}, **{text: text_of(value) for _, text, value in known}}
