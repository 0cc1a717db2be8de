"""The prompt grammar: emphasis by brackets, escapes, and BREAK, in the syntax of AUTOMATIC1111's web UI.

`(x)` counts x 1.1 times, `(x:1.3)` 1.3 times, `[x]` 1 / 1.1 times; brackets nest and multiply. A backslash before a
bracket or a backslash makes it text. `BREAK`, in capitals and a word of its own, begins a new chunk. Nothing is an
error: a closing bracket without an opening one, and a weight that is no number, are text; an opening bracket that never
closes reaches to the end of what surrounds it. Scheduling (`[a:b:0.5]`), alternation (`[a|b]`) and `AND` are no part of
this grammar: their signs are text.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Final, TypeAlias

MAX_WEIGHT: Final = 10.0
"""Weights beyond it count as it, and those below 0 as 0."""

_LEVEL: Final = 1.1
_MOST_LEVELS: Final = 100  # far beyond every weight that counts, and far within what floats can hold
_LARGEST: Final = 1e6

# Each alternative begins with another character, so reading is linear.
_PIECE: Final = re.compile(r"\\[()\[\]\\]|[()\[\]]|[^()\[\]\\]++|\\")
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]{1,9}+(?:\.[0-9]{0,9}+)?|\.[0-9]{1,9}+)")
_BREAK: Final = re.compile(r"\bBREAK\b")
_SIGNS: Final = re.compile(r"[()\[\]\\]")


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of text with one weight; 1.0 is plain."""

    text: str
    weight: float = 1.0


Section: TypeAlias = tuple[Segment, ...]
"""What lies between two BREAKs: segments that are not empty, neighbours of unequal weight."""


def read_emphasis(text: str) -> tuple[Section, ...]:
    """Read a prompt without LoRA tags: one section, and one more for each BREAK. Linear in the text's length."""
    reader = _Reader()
    for piece in _PIECE.findall(text):
        reader.take(piece)
    sections: list[list[tuple[str, float]]] = [[]]
    for run, weight in reader.weighted():
        first, *others = _BREAK.split(run)
        sections[-1].append((first, weight))
        sections.extend([(other, weight)] for other in others)
    return tuple(map(_joined, sections))


def plain_text(sections: Sequence[Section]) -> str:
    """Return what the text encoders read, without the syntax; a blank stands for each BREAK."""
    return " ".join("".join(segment.text for segment in section) for section in sections)


def escape(text: str) -> str:
    """Return `text` with a backslash before everything that would be a bracket or a backslash of the grammar."""
    return _SIGNS.sub(r"\\\g<0>", text)


@dataclass(slots=True)
class _Group:
    """Brackets around the runs from `start` to before `end`: a level up or down, or a weight."""

    start: int
    level: int
    weight: float = 1.0
    end: int = -1


class _Reader:
    """Takes a prompt piece by piece and knows the brackets around each."""

    def __init__(self) -> None:
        self._runs: list[str] = []
        self._groups: list[_Group] = []  # in the order in which they open; one lies within another, or beside it
        self._open: list[_Group] = []
        self._open_of = {1: 0, -1: 0}
        self._weight_may_end = False

    def take(self, piece: str) -> None:
        """Take a bracket, an escape, or a run of text."""
        before, self._weight_may_end = self._weight_may_end, False
        match piece:
            case "(" | "[":
                self._enter(1 if piece == "(" else -1)
            case ")" if self._open_of[1]:
                self._leave(1, weight=self._cut_weight() if before else None)
            case "]" if self._open_of[-1]:
                self._leave(-1)
            case _ if piece[0] == "\\":
                self._runs.append(piece[1:] or piece)
            case _:
                self._runs.append(piece)
                self._weight_may_end = True

    def weighted(self) -> Iterator[tuple[str, float]]:
        """Yield each run with its weight, once everything is taken."""
        around: list[tuple[int, int, float]] = [(len(self._runs), 0, 1.0)]  # where it ends, levels and weight so far
        groups = iter([*self._groups, _Group(len(self._runs), 0)])
        group = next(groups)
        for place, run in enumerate(self._runs):
            while around[-1][0] <= place:
                around.pop()
            while group.start <= place:
                _, levels, weight = around[-1]
                end = len(self._runs) if group.end < 0 else group.end
                if end > place:
                    around.append((end, levels + group.level, min(weight * group.weight, _LARGEST)))
                group = next(groups)
            _, levels, weight = around[-1]
            yield run, _bounded(weight * _LEVEL ** max(min(levels, _MOST_LEVELS), -_MOST_LEVELS))

    def _enter(self, level: int) -> None:
        group = _Group(len(self._runs), level)
        self._groups.append(group)
        self._open.append(group)
        self._open_of[level] += 1

    def _leave(self, level: int, weight: float | None = None) -> None:
        """Close the innermost bracket of that kind, and those within it that never closed."""
        closed = None
        while closed is None or closed.level != level:
            closed = self._open.pop()
            closed.end = len(self._runs)
            self._open_of[closed.level] -= 1
        if weight is not None:
            closed.level, closed.weight = 0, weight

    def _cut_weight(self) -> float | None:
        """Take `:1.3` off the end of the last run."""
        text, colon, number = self._runs[-1].rpartition(":")
        if not colon or not _NUMBER.fullmatch(number.strip()):
            return None
        self._runs[-1] = text
        return _bounded(float(number))


def _bounded(weight: float) -> float:
    return min(max(weight, 0.0), MAX_WEIGHT)


def _joined(runs: Sequence[tuple[str, float]]) -> Section:
    """Put runs of one weight together."""
    filled = (run for run in runs if run[0])
    return tuple(
        Segment("".join(text for text, _ in alike), weight) for weight, alike in groupby(filled, key=itemgetter(1))
    )
