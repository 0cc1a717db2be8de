"""What a worker says of its work with each beat: what it has counted since it started, and how things stand."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, cast

from server.domain.types import JsonObject, JsonValue

BOUNDS: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
"""Upper ends of a spread's classes, in seconds. A longer time falls into one class more."""

_CLASSES: Final = len(BOUNDS) + 1


@dataclass(frozen=True, slots=True)
class Spread:
    """How long something took, over and over: how many times fell into each class, and their sum in seconds."""

    counts: tuple[int, ...] = (0,) * _CLASSES
    total: float = 0.0

    def plus(self, seconds: float) -> "Spread":
        """Count one more."""
        place = bisect_left(BOUNDS, seconds)
        counts = tuple(count + (at == place) for at, count in enumerate(self.counts))
        return Spread(counts, self.total + seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerReport:
    """Figures by name; the names are `server.worker.tally`'s. Who reads them takes those he knows.

    `counts` and `spreads` only rise while a worker lives; `levels` are as of its last beat.
    """

    counts: Mapping[str, float] = field(default_factory=dict[str, float])
    levels: Mapping[str, float] = field(default_factory=dict[str, float])
    spreads: Mapping[str, Spread] = field(default_factory=dict[str, Spread])


def report_json(report: WorkerReport) -> JsonObject:
    """Return the report as plain JSON."""
    return {
        "counts": dict(report.counts),
        "levels": dict(report.levels),
        "spreads": {name: [*spread.counts, round(spread.total, 6)] for name, spread in report.spreads.items()},
    }


def read_report(value: JsonValue) -> WorkerReport:
    """Return the report of `report_json`. What another release has written differently is left out."""
    parts: JsonObject = value if isinstance(value, Mapping) else {}
    spreads = {name: spread for name, held in _mapping(parts, "spreads").items() if (spread := _spread(held))}
    return WorkerReport(
        counts=_figures(_mapping(parts, "counts")), levels=_figures(_mapping(parts, "levels")), spreads=spreads
    )


def _mapping(parts: JsonObject, name: str) -> JsonObject:
    found = parts.get(name)
    return found if isinstance(found, Mapping) else {}


def _figures(parts: JsonObject) -> Mapping[str, float]:
    return {name: float(value) for name, value in parts.items() if isinstance(value, int | float)}


def _spread(value: JsonValue) -> Spread | None:
    if not isinstance(value, Sequence) or len(value) != _CLASSES + 1:
        return None
    if not all(isinstance(each, int | float) for each in value):
        return None
    *counts, total = cast("Sequence[float]", value)
    return Spread(tuple(int(count) for count in counts), float(total))
