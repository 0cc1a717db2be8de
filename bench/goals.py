"""The goals: what is measured, and what the figure must be."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from bench.measuring import Spread


@dataclass(frozen=True, slots=True)
class Bound:
    """What a figure must be; `better` says on which side of it. Without one a figure is only told."""

    must: float
    better: Literal["lower", "higher"] = "lower"

    def holds(self, value: float) -> bool:
        """Whether the value keeps the bound."""
        return value <= self.must if self.better == "lower" else value >= self.must


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table: easel's values and the reference's, of interleaved repeats."""

    goal: str
    what: str
    unit: str
    ours: Sequence[float]
    reference: Sequence[float] = ()
    ratio_bound: Bound | None = None
    bound: Bound | None = None

    @property
    def ratios(self) -> list[float]:
        """Ours by the reference, repeat by repeat."""
        return [ours / other for ours, other in zip(self.ours, self.reference, strict=True)] if self.reference else []

    @property
    def holds(self) -> bool | None:
        """Whether what must hold does, by the medians; None where nothing must."""
        verdicts = [
            bound.holds(Spread.of(values).median)
            for bound, values in ((self.ratio_bound, self.ratios), (self.bound, self.ours))
            if bound is not None
        ]
        return all(verdicts) if verdicts else None

    def plain(self) -> dict[str, object]:
        """Return the figure as JSON takes it."""
        return {
            "goal": self.goal,
            "what": self.what,
            "unit": self.unit,
            "ours": asdict(Spread.of(self.ours)),
            "reference": asdict(Spread.of(self.reference)) if self.reference else None,
            "ratio": asdict(Spread.of(self.ratios)) if self.reference else None,
            "must": None if self.bound is None else asdict(self.bound),
            "must_ratio": None if self.ratio_bound is None else asdict(self.ratio_bound),
            "holds": self.holds,
            "repeats": len(self.ours),
        }
