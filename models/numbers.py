"""Numbers as clients send them: JSON numbers, or plain ASCII decimals in a string."""

import math
import re
from decimal import Decimal

MAX_NUMBER_LENGTH = 64
"""Longer strings are not read as numbers, so that no digit string is ever expensive."""

# Not what strip() takes by itself: that is also controls such as \x1f, which no client means.
_BLANKS = " \t\r\n"

# Python's own int() and float() also take "1_0", "١٢", "nan" and "1e400".
_DECIMAL = re.compile(r"[+-]?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]{1,2})?")


def number_of(given: object) -> int | float | None:
    """Read a number or a numeric string; None when it is neither, or not finite. Whole numeric strings become int."""
    if isinstance(given, bool):
        return None
    if isinstance(given, int):
        return given
    if isinstance(given, float):
        return given if math.isfinite(given) else None
    return _number_in(given.strip(_BLANKS)) if isinstance(given, str) else None


def _number_in(text: str) -> int | float | None:
    if len(text) > MAX_NUMBER_LENGTH or not _DECIMAL.fullmatch(text):
        return None
    exact = Decimal(text)
    whole = int(exact)
    return whole if whole == exact else float(exact)
