"""Cards as TOML files: a card names a family of shared parameters and overrides what differs."""

from collections.abc import Mapping
from typing import cast

from models.card import (
    Alias,
    Card,
    CardError,
    DefaultLora,
    NumberKind,
    Option,
    Parameter,
    ParameterGroup,
    ParameterType,
    Value,
    WeightNames,
    WeightSource,
)
from models.noise_schedulers import NOISE_SCHEDULERS
from models.parameters import ParameterError, check, check_value
from models.toml_table import TomlTable

OVERRIDABLE = frozenset({"default", "min", "max", "step", "label", "note", "placeholder"})
"""What a card may change of its family's parameters; ids, types and meanings are the family's."""
NOISE_SCHEDULERS_NAME = "noise_schedulers"
"""What a select says in `options_of` to offer all of `models.noise_schedulers`."""


def read_card(text: str, families: Mapping[str, str], where: str) -> Card:
    """Read a card. `families` maps names to TOML texts; `where` names the card in messages. Raises CardError."""
    table = TomlTable.parse(text, where)
    family = table.need("family", table.text("family"))
    if family not in families:
        known = ", ".join(sorted(families)) or "none"
        raise CardError(f"{where}: there is no family {family!r}; known: {known}")
    try:
        card = _card(table, TomlTable.parse(families[family], f"family {family!r}"))
        _check_defaults(card)
        _check_defaults(card.as_miniature())
        _check_inspire(card)
    except CardError as error:
        message = str(error)
        raise CardError(message if message.startswith(where) else f"{where}: {message}") from error
    return card


def _card(table: TomlTable, family: TomlTable) -> Card:
    card = Card(
        owner=table.need("owner", table.text("owner")),
        name=table.need("name", table.text("name")),
        title=table.need("title", table.text("title")),
        description=table.need("description", table.text("description")),
        categories=table.need("categories", table.texts("categories")),
        tags=table.need("tags", table.texts("tags")),
        cps=float(table.need("cps", table.number("cps"))),
        weights=_weights(table.need("weights", table.table("weights")), family),
        loras=tuple(_lora(lora) for lora in table.tables("loras") or ()),
        groups=_groups(family, table.table("parameters")),
        miniature=_miniature(family, table),
        raw_slug=table.text("raw_slug") or "",
        inspire=tuple(_example(example) for example in table.tables("inspire") or ()),
        aliases=tuple(_alias(alias) for alias in table.tables("aliases") or ()),
    )
    table.close()
    return card


def _weights(table: TomlTable, family: TomlTable) -> WeightNames:
    # The card's own first: it may know better than its family.
    sources = (*(table.tables("sources") or ()), *(family.tables("sources") or ()))
    weights = WeightNames(
        base=table.need("base", table.texts("base")),
        refiner=table.texts("refiner") or (),
        vae=table.texts("vae") or (),
        sources=tuple(_source(source) for source in sources),
    )
    table.close()
    return weights


def _source(table: TomlTable) -> WeightSource:
    source = WeightSource(
        name=table.need("name", table.text("name")),
        files=table.texts("files") or (),
        hub=table.text("hub") or "",
        variant=table.text("variant") or "",
    )
    table.close()
    return source


def _lora(table: TomlTable) -> DefaultLora:
    weight = table.number("weight")
    lora = DefaultLora(name=table.need("name", table.text("name")), weight=1.0 if weight is None else float(weight))
    table.close()
    return lora


def _alias(table: TomlTable) -> Alias:
    owner, _, name = table.need("slug", table.text("slug")).partition("/")
    alias = Alias(
        owner=owner,
        name=name,
        title=table.need("title", table.text("title")),
        description=table.need("description", table.text("description")),
    )
    table.close()
    return alias


def _example(table: TomlTable) -> dict[str, Value]:
    return {key: table.need(key, table.value(key)) for key in table.values}


def _groups(family: TomlTable, overrides: TomlTable | None) -> tuple[ParameterGroup, ...]:
    groups = tuple(_group(group, overrides) for group in family.need("groups", family.tables("groups")))
    family.close()
    if overrides is not None:
        overrides.close()  # whatever no parameter asked for is the name of no parameter
    return groups


def _miniature(family: TomlTable, card: TomlTable) -> tuple[ParameterGroup, ...] | None:
    """Read what differs while the miniature draws, on top of what the card itself changes of its family."""
    miniature = card.table("miniature")
    if miniature is None:
        return None
    own, its = card.table("parameters"), miniature.table("parameters")
    miniature.close()
    if own is None or its is None:
        return _groups(family, own or its)
    return _groups(family, own.deeply_overlaid(its))


def _group(table: TomlTable, overrides: TomlTable | None) -> ParameterGroup:
    group = ParameterGroup(
        title=table.need("title", table.text("title")),
        subtitle=table.text("subtitle") or "",
        hidden=table.flag("hidden"),
        items=tuple(_overridden(item, overrides) for item in table.need("items", table.tables("items"))),
    )
    table.close()
    return group


def _overridden(item: TomlTable, overrides: TomlTable | None) -> Parameter:
    parameter_id = item.need("id", item.text("id"))
    override = None if overrides is None else overrides.table(parameter_id)
    if override is None:
        return _parameter(item)
    fixed = sorted(set(override.keys()) - OVERRIDABLE)
    if fixed:
        raise CardError(f"`{fixed[0]}` of parameter {parameter_id!r} is the family's and can't be overridden")
    return _parameter(item.overlaid(override))


def _parameter(table: TomlTable) -> Parameter:
    number = cast("NumberKind | None", table.text("number"))  # Parameter itself refuses what is none of them
    parameter = Parameter(
        id=table.need("id", table.text("id")),
        type=cast("ParameterType", table.need("type", table.text("type"))),
        label=table.need("label", table.text("label")),
        note=table.text("note") or "",
        placeholder=table.text("placeholder") or "",
        required=table.flag("required"),
        number=number,
        default=_typed_default(table.value("default"), number),
        minimum=table.number("min"),
        maximum=table.number("max"),
        step=table.number("step"),
        multiple_of=table.whole("multiple_of"),
        max_length=table.whole("max_length"),
        options=_options(table),
        zero_is_unset=table.flag("zero_is_unset"),
        same_as=table.text("same_as"),
        random_when_unset=table.flag("random_when_unset"),
        unknown_is_default=table.flag("unknown_is_default"),
        max_files=table.whole("max_files"),
        aliases=table.texts("aliases") or (),
        several=table.flag("several"),
    )
    table.close()
    return parameter


def _typed_default(default: Value | None, number: str | None) -> Value | None:
    return float(default) if number == "float" and isinstance(default, int) else default


def _options(table: TomlTable) -> tuple[Option, ...]:
    listed, name = table.tables("options") or (), table.text("options_of")
    if name is None:
        return tuple(_option(option) for option in listed)
    if name != NOISE_SCHEDULERS_NAME or listed:
        raise CardError(f'`options_of` can only be "{NOISE_SCHEDULERS_NAME}", and in the place of `options`')
    return tuple(Option(it.label, it.value, it.aliases) for it in NOISE_SCHEDULERS.values())


def _option(table: TomlTable) -> Option:
    option = Option(table.need("label", table.text("label")), table.need("value", table.text("value")))
    table.close()
    return option


def _check_defaults(card: Card) -> None:
    """Hold every default against the rules that requests are held against."""
    for parameter in card.parameters:
        if parameter.default is None:
            continue
        try:
            checked = check_value(parameter, parameter.default)
        except ParameterError as error:
            raise CardError(f"the default of parameter {parameter.id!r} {error.reason}") from error
        if checked != parameter.default or type(checked) is not type(parameter.default):
            raise CardError(f"the default of parameter {parameter.id!r} should read {checked!r}")


def _check_inspire(card: Card) -> None:
    """Hold every example against the rules that requests are held against."""
    for place, example in enumerate(card.inspire):
        unknown = sorted(set(example) - {parameter.id for parameter in card.parameters})
        if unknown:
            raise CardError(f"inspire[{place}] names {unknown[0]!r}, which is no parameter")
        try:
            check(card, example)
        except ParameterError as error:
            raise CardError(f"inspire[{place}]: {error}") from error
