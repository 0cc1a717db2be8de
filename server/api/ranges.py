"""Which part of a file a request wants: at most one range, in bytes."""

import re
from dataclasses import dataclass
from typing import Final

_RANGE: Final = re.compile(r"bytes=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*")


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes `first` to `last`, both included."""

    first: int
    last: int

    @property
    def size(self) -> int:
        """How many bytes."""
        return self.last - self.first + 1


class Unsatisfiable(Exception):
    """The range lies outside the file."""


def span_of(header: str | None, size: int) -> Span | None:
    """Return the range that is asked for; None for the whole file. Raises Unsatisfiable.

    Several ranges, and what is no range of bytes, mean the whole file: nobody needs them, and joining thousands of
    overlapping ones is a way to keep a server busy.
    """
    match = _RANGE.fullmatch(header or "")
    if match is None or not (match[1] or match[2]):
        return None
    if match[1]:
        first, last = int(match[1]), min(int(match[2]), size - 1) if match[2] else size - 1
        if match[2] and int(match[2]) < first:
            return None
    else:
        first, last = max(0, size - int(match[2])), size - 1
    if first >= size or first > last:
        raise Unsatisfiable
    return Span(first, last)
