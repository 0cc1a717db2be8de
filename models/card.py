"""A model card: what a model is called, which weights draw it, and which parameters it takes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, get_args

Value: TypeAlias = str | int | float
ParameterType: TypeAlias = Literal[
    "textarea", "text", "range", "select", "fileinput", "multifileinput", "combinefileinput"
]
NumberKind: TypeAlias = Literal["int", "float"]

PARAMETER_TYPES: tuple[ParameterType, ...] = get_args(ParameterType)
FILE_TYPES: frozenset[ParameterType] = frozenset({"fileinput", "multifileinput", "combinefileinput"})
"""Parameters that take files, or their URLs: one, or (the other two) several."""
MAX_FILES = 20
"""Files of one parameter, and of one request."""
NUMBER_KINDS: tuple[NumberKind, ...] = get_args(NumberKind)

# The form of slugs that the official SDKs let through.
_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class CardError(ValueError):
    """A card can't be used; the message says which one and why."""


@dataclass(frozen=True, slots=True)
class Option:
    """A choice of a select. `aliases` are other spellings of its value."""

    label: str
    value: str
    aliases: tuple[str, ...] = ()

    def means(self, text: str) -> bool:
        """Whether that text spells this choice; blanks, signs and upper case don't matter where there are aliases."""
        if not self.aliases:
            return text == self.value
        return _spelling(text) in map(_spelling, (self.value, *self.aliases))


def _spelling(text: str) -> str:
    """Return letters and digits alone; "+" is a p, as in dpmpp for DPM++."""
    return "".join(filter(str.isalnum, text.casefold().replace("+", "p")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One field of a request. `number` is None for text.

    Null, "" and a left-in placeholder mean the default. `zero_is_unset`: 0 does too. `same_as`: 0 or "" means the
    value of that other parameter. `random_when_unset`: unset or negative means a drawn number. `unknown_is_default`:
    so does a value that is no option. `max_files`: how many files a parameter of files takes. `aliases` are other keys
    under which clients send it. `several`: takes a text or a list of texts, its value has one on each line, and nothing
    sent for it is refused.
    """

    id: str
    type: ParameterType
    label: str
    note: str = ""
    placeholder: str = ""
    required: bool = False
    number: NumberKind | None = None
    default: Value | None = None
    minimum: int | float | None = None
    maximum: int | float | None = None
    step: int | float | None = None
    multiple_of: int | None = None
    max_length: int | None = None
    options: tuple[Option, ...] = ()
    zero_is_unset: bool = False
    same_as: str | None = None
    random_when_unset: bool = False
    unknown_is_default: bool = False
    max_files: int | None = None
    aliases: tuple[str, ...] = ()
    several: bool = False

    def __post_init__(self) -> None:
        for fault, present in _parameter_faults(self).items():
            if present:
                raise CardError(f"parameter {self.id!r} {fault}")

    @property
    def takes_files(self) -> bool:
        """Whether values are files. These stand apart from other values; see `models.file_inputs`."""
        return self.type in FILE_TYPES

    @property
    def choices(self) -> tuple[str, ...]:
        """The values of the options."""
        return tuple(option.value for option in self.options)


def _parameter_faults(parameter: Parameter) -> dict[str, bool]:
    numeric, select = parameter.number is not None, parameter.type == "select"
    bounded = parameter.minimum is not None and parameter.maximum is not None
    numeric_only = (parameter.minimum, parameter.maximum, parameter.step, parameter.multiple_of, parameter.same_as)
    defaultless = parameter.required or parameter.random_when_unset
    return {
        "needs a type out of: " + ", ".join(PARAMETER_TYPES): parameter.type not in PARAMETER_TYPES,
        'needs `number` "int" or "float", or none': numeric and parameter.number not in NUMBER_KINDS,
        "is a range and needs `number`": parameter.type == "range" and not numeric,
        "can't be numeric, being a textarea or select": numeric and parameter.type in {"textarea", "select"},
        "needs `min` and `max`": numeric and not bounded,
        "has a `min` above its `max`": bounded and _above(parameter.minimum, parameter.maximum),
        "has keys that only numbers can have": not numeric and any(value is not None for value in numeric_only),
        "needs `number` for zero_is_unset or random_when_unset": not numeric
        and (parameter.zero_is_unset or parameter.random_when_unset),
        "needs a `multiple_of` above 0": parameter.multiple_of is not None and parameter.multiple_of <= 0,
        "can't be `several`, being no plain text": parameter.several and (numeric or parameter.type != "text"),
        "needs options, being a select": select and not parameter.options,
        "has options but is no select": bool(parameter.options) and not select,
        # Otherwise "", which means the default, could never choose the option "".
        'has an option "" and needs it as its default': "" in parameter.choices and parameter.default != "",
        "needs a default": parameter.default is None and not (defaultless or parameter.takes_files),
        "can't have a default, taking files": parameter.default is not None and parameter.takes_files,
        "can't be numeric, taking files": numeric and parameter.takes_files,
        "has `max_files`, which only several files can have": parameter.max_files is not None
        and parameter.type not in FILE_TYPES - {"fileinput"},
        "needs a `max_files` between 1 and 20": parameter.max_files is not None
        and not 1 <= parameter.max_files <= MAX_FILES,
        "can't have a default, being required or random": parameter.default is not None and defaultless,
    }


def _above(minimum: float | None, maximum: float | None) -> bool:
    return minimum is not None and maximum is not None and minimum > maximum


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterGroup:
    """Parameters shown together under a title. A `hidden` group is taken from requests and shown to nobody."""

    title: str
    subtitle: str = ""
    hidden: bool = False
    items: tuple[Parameter, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightSource:
    """Where weights of a name come from: how their single files are called (stems), and their repository on the hub.

    `variant` is the infix of the files to take from a repository that has several, such as fp16.
    """

    name: str
    files: tuple[str, ...] = ()
    hub: str = ""
    variant: str = ""

    def calls(self, name: str) -> bool:
        """Whether weights that are called so may be these, in upper or lower case."""
        return name.casefold() in {known.casefold() for known in (self.name, *self.files)}


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightNames:
    """Weights to look for, best first. The refiner at a place of its list belongs to the base at the same place.

    The first of `vae` that is installed decodes for both, in place of their own. `sources` tell more about names.
    """

    base: tuple[str, ...]
    refiner: tuple[str, ...] = ()
    vae: tuple[str, ...] = ()
    sources: tuple[WeightSource, ...] = ()

    def __post_init__(self) -> None:
        if not self.base:
            raise CardError("weights need at least one base")
        if self.refiner and len(self.refiner) != len(self.base):
            raise CardError("weights need as many refiners as bases, or none")
        for name in (*self.base, *self.refiner, *self.vae):
            if not all(_SLUG.fullmatch(part) for part in name.split("/")):
                raise CardError(f"weights {name!r} must be a plain folder name such as 'sdxl/base'")

    def source(self, name: str) -> WeightSource:
        """Return what is known of weights of that name."""
        return next((source for source in self.sources if source.name == name), WeightSource(name=name))


@dataclass(frozen=True, slots=True, kw_only=True)
class DefaultLora:
    """A LoRA that the card applies to every prompt."""

    name: str
    weight: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """Another name under which clients run a card, with a title and description of its own."""

    owner: str
    name: str
    title: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A model as clients see it. `cps` is its price per second.

    `miniature` holds the same parameters as `groups`, as they are while the miniature draws; None where it may not.
    `raw_slug` is `owner/name` as people write it, with upper case and blanks. `inspire` holds example requests.
    """

    owner: str
    name: str
    title: str
    description: str
    categories: tuple[str, ...]
    tags: tuple[str, ...]
    cps: float
    weights: WeightNames
    loras: tuple[DefaultLora, ...]
    groups: tuple[ParameterGroup, ...]
    miniature: tuple[ParameterGroup, ...] | None = None
    raw_slug: str = ""
    inspire: tuple[Mapping[str, Value], ...] = ()
    aliases: tuple[Alias, ...] = ()

    def __post_init__(self) -> None:
        for slug in (self.owner, self.name, *(part for it in self.aliases for part in (it.owner, it.name))):
            if not _SLUG.fullmatch(slug):
                raise CardError(f"{slug!r} is no clean slug: letters, digits, '.', '_' and '-' only")
        ids = [parameter.id for parameter in self.parameters]
        keys = [*ids, *(alias for parameter in self.parameters for alias in parameter.aliases)]
        doubled = sorted({each for each in keys if keys.count(each) > 1})
        if doubled:
            raise CardError(f"parameter {doubled[0]!r} is defined twice")
        for parameter in self.parameters:
            if parameter.same_as is not None and parameter.same_as not in ids:
                raise CardError(f"parameter {parameter.id!r} is same_as {parameter.same_as!r}, which is no parameter")

    @property
    def slug(self) -> str:
        """`owner/name`, as in the address of Run."""
        return f"{self.owner}/{self.name}"

    def as_miniature(self) -> "Card":
        """Return the card as it is while the miniature draws it."""
        return self if self.miniature is None else replace(self, groups=self.miniature)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """All parameters, in the order of their groups."""
        return tuple(parameter for group in self.groups for parameter in group.items)

    @property
    def shown_groups(self) -> tuple[ParameterGroup, ...]:
        """The groups that clients are told of."""
        return tuple(group for group in self.groups if not group.hidden)

    @property
    def shown_parameters(self) -> tuple[Parameter, ...]:
        """The parameters that clients are told of."""
        return tuple(parameter for group in self.shown_groups for parameter in group.items)

    def aliased(self, alias: Alias) -> "Card":
        """Return this card under another name."""
        named = replace(self, owner=alias.owner, name=alias.name, title=alias.title, description=alias.description)
        return replace(named, raw_slug="", aliases=())

    def parameter(self, parameter_id: str) -> Parameter | None:
        """Return the parameter of that id, or None."""
        return next((parameter for parameter in self.parameters if parameter.id == parameter_id), None)
