"""From what a client sent to checked values: one typed value for each parameter of the card, or Wiro's error text."""

import secrets
from collections.abc import Callable, Mapping
from typing import cast

from models.card import Card, Parameter, Value
from models.numbers import number_of

RANDOM_SEEDS = 2**32
"""Drawn seeds lie below this: short enough to retype, and exact in a client's floating point."""


class ParameterError(ValueError):
    """A parameter's value can't be used; the message is Wiro's, or in Wiro's voice."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"Request parameter [{name}] {reason}")
        self.name = name
        self.reason = reason


def random_seed() -> int:
    """Draw a seed."""
    return secrets.randbelow(RANDOM_SEEDS)


def check(card: Card, raw: Mapping[str, object], draw_seed: Callable[[], int] = random_seed) -> dict[str, Value]:
    """Return a value for every parameter that takes no files: what was sent, checked, or its default.

    Of those that take `several` texts, empty ones are left out. Values may be strings or numbers; unknown keys are
    ignored. Raises ParameterError for the first wrong value.
    """
    plain = [parameter for parameter in card.parameters if not parameter.takes_files]
    values = {parameter.id: _value_of(parameter, _sent(parameter, raw), draw_seed) for parameter in plain}
    for parameter in plain:
        if parameter.same_as is not None and values[parameter.id] == 0:
            values[parameter.id] = values[parameter.same_as]
    nothing_chosen = {parameter.id for parameter in plain if parameter.several and not values[parameter.id]}
    return {name: value for name, value in values.items() if name not in nothing_chosen}


def _sent(parameter: Parameter, raw: Mapping[str, object]) -> object:
    """Return what was sent under the parameter's id or, where that is blank, under one of its aliases."""
    sent = [raw.get(key) for key in (parameter.id, *parameter.aliases)]
    return next((value for value in sent if not _is_blank(value)), sent[0])


def _is_blank(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _value_of(parameter: Parameter, sent: object, draw: Callable[[], int]) -> Value:
    if parameter.several:
        return _lines(sent, parameter.max_length)
    given = sent.strip() if isinstance(sent, str) else sent
    if given == "" and parameter.same_as is not None:
        return 0
    if given is None or given == "" or (isinstance(given, str) and is_placeholder(given)):
        return _unset(parameter, draw)
    if parameter.number is not None:
        number = _number(parameter, given)
        unset = (parameter.zero_is_unset and number == 0) or (parameter.random_when_unset and number < 0)
        if unset:
            return _unset(parameter, draw)
    return check_value(parameter, given)


def is_placeholder(text: str) -> bool:
    """Whether all of the text is one comment, such as the model page's `/* refiner value */`."""
    return text.startswith("/*") and text.find("*/", 2) == len(text) - 2


def _unset(parameter: Parameter, draw: Callable[[], int]) -> Value:
    if parameter.random_when_unset:
        return draw()
    if parameter.default is None:
        raise ParameterError(parameter.id, "required")
    return parameter.default


def check_value(parameter: Parameter, given: object) -> Value:
    """Check a value that is present and trimmed, and return it typed. Raises ParameterError."""
    if parameter.type == "select":
        return _choice(parameter, given)
    return _text(parameter, given) if parameter.number is None else _bounded(parameter, _number(parameter, given))


def _number(parameter: Parameter, given: object) -> int | float:
    number = number_of(given)
    if number is None:
        raise ParameterError(parameter.id, "must be integer or float")
    if parameter.number == "int":
        if number != int(number):
            raise ParameterError(parameter.id, "must be an integer")
        return int(number)
    return number


def _bounded(parameter: Parameter, number: float) -> int | float:
    low, high = parameter.minimum, parameter.maximum
    assert low is not None, "Parameter gives every number its bounds"
    assert high is not None, "Parameter gives every number its bounds"
    if not low <= number <= high:
        raise ParameterError(parameter.id, f"must be between {_plain(low)} and {_plain(high)}")
    if parameter.multiple_of is not None and number % parameter.multiple_of:
        raise ParameterError(parameter.id, f"must be a multiple of {parameter.multiple_of}")
    # Only now: float() of an integer of any size would overflow. Adding 0.0 turns -0.0 into 0.0.
    return float(number) + 0.0 if parameter.number == "float" else number


def _plain(number: float) -> str:
    return str(int(number)) if number == int(number) else str(number)


def _text(parameter: Parameter, given: object) -> str:
    text = given if isinstance(given, str) else _numeral(given)
    if text is None:
        raise ParameterError(parameter.id, "must be text")
    if parameter.max_length is not None and len(text) > parameter.max_length:
        raise ParameterError(parameter.id, f"must be at most {parameter.max_length} characters")
    # PostgreSQL stores no NUL, and a lone surrogate has no UTF-8.
    if any(character == "\0" or "\ud800" <= character <= "\udfff" for character in text):
        raise ParameterError(parameter.id, "must be valid text, without NUL characters or lone surrogates")
    return text


def _lines(sent: object, longest: int | None) -> str:
    """Put each text on a line of its own. What is no printable text, or one too many, is left out: nothing fails."""
    items = cast("list[object]", sent) if isinstance(sent, list) else [sent]
    texts = [item if isinstance(item, str) else _numeral(item) or "" for item in items]
    lines = [line.strip() for text in texts for line in text.split("\n")]
    kept = ""
    for line in filter(lambda line: line.isprintable() and not is_placeholder(line), filter(None, lines)):
        longer = f"{kept}\n{line}" if kept else line
        kept = longer if longest is None or len(longer) <= longest else kept
    return kept


def _numeral(given: object) -> str | None:
    """Write out a number that stands where text belongs; None for anything else."""
    number = None if isinstance(given, str) else number_of(given)
    longest = 10**63  # str() of an integer of thousands of digits raises
    return str(number) if number is not None and (isinstance(number, float) or abs(number) < longest) else None


def _choice(parameter: Parameter, given: object) -> Value:
    if not isinstance(given, str | int | float):
        raise ParameterError(parameter.id, "must be text")
    if isinstance(given, str) and given in parameter.choices:
        return given
    meant = next((it.value for it in parameter.options if isinstance(given, str) and it.means(given)), None)
    if meant is not None:
        return meant
    if parameter.unknown_is_default and parameter.default is not None:
        return parameter.default
    raise ParameterError(parameter.id, f"must be one of: {', '.join(parameter.choices)}")
