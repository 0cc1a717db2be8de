"""A model's form: its parameters as the fields that a page shows, and the values that the form begins with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from models.card import Card, Option, Parameter, ParameterGroup, Value

_OPEN_GROUPS: Final = 2
_TEXT: Final = "a red fox in the snow"
_NO_EXAMPLE: Final[Mapping[str, Value]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One field. `kind` is textarea, range, select, seed, text or file; `value` is its default as text."""

    kind: str
    id: str
    label: str
    note: str
    placeholder: str
    value: str
    required: bool
    several: bool
    minimum: str
    maximum: str
    step: str
    options: Sequence[Option]


@dataclass(frozen=True, slots=True)
class Group:
    """Fields under a title; those that are not `open` are folded at first."""

    title: str
    fields: Sequence[Field]
    open: bool


def form_of(card: Card) -> Sequence[Group]:
    """Return the groups of a card's form, in its order."""
    return [_group(group, open_=index < _OPEN_GROUPS) for index, group in enumerate(card.shown_groups)]


def first_values(card: Card) -> Mapping[str, Value]:
    """Return what the form would send as it stands first: its defaults, and an example where a text is required."""
    fields = [field for group in form_of(card) for field in group.fields if field.kind != "file"]
    example = next(iter(card.inspire), _NO_EXAMPLE)
    return {field.id: value for field in fields if (value := _first(field, example))}


def _first(field: Field, example: Mapping[str, Value]) -> Value:
    if field.value or not field.required:
        return field.value
    return field.placeholder or example.get(field.id, _TEXT)


def text_of(value: float | str | None) -> str:
    """Return a value as a form holds it: 4.0 as "4", nothing as ""."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return "" if value is None else str(value)


def _group(group: ParameterGroup, *, open_: bool) -> Group:
    return Group(group.title, [_field(parameter) for parameter in group.items], open_)


def _field(parameter: Parameter) -> Field:
    return Field(
        kind=_kind(parameter),
        id=parameter.id,
        label=parameter.label,
        note=parameter.note,
        placeholder=parameter.placeholder,
        value=text_of(parameter.default),
        required=parameter.required,
        several=parameter.takes_files and parameter.type != "fileinput",
        minimum=text_of(parameter.minimum),
        maximum=text_of(parameter.maximum),
        step=text_of(parameter.step),
        options=parameter.options,
    )


def _kind(parameter: Parameter) -> str:
    if parameter.takes_files:
        return "file"
    return "seed" if parameter.random_when_unset else parameter.type
