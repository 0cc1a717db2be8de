"""How much drawing one request asks for: each parameter has its own bounds, this is the bound of their product."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from models.card import Value
from models.generation import ONLY_BASE

MILLION: Final = 1_000_000


class WorkError(ValueError):
    """A request asks for more than one task may; the message says what to lower."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What the product is made of. `steps` is the longer of the two schedules, which `steps_name` names."""

    width: int
    height: int
    samples: int
    steps: int
    steps_name: str

    @property
    def pixel_steps(self) -> int:
        """The product."""
        return self.width * self.height * self.samples * self.steps


def work_of(values: Mapping[str, object]) -> Work:
    """Return what checked values ask for; a parameter that the card lacks counts as 1."""
    steps, refiner_steps = _int(values, "steps"), _int(values, "stepsRefiner")
    refines = values.get("refiner") != ONLY_BASE and refiner_steps > steps
    return Work(
        width=_int(values, "width"),
        height=_int(values, "height"),
        samples=_int(values, "samples"),
        steps=refiner_steps if refines else steps,
        steps_name="stepsRefiner" if refines else "steps",
    )


def check_work(values: Mapping[str, Value], most_millions: int) -> None:
    """Raise WorkError for more than so many million pixel steps; 0 lets everything through."""
    work, most = work_of(values), most_millions * MILLION
    if not most or work.pixel_steps <= most:
        return
    raise WorkError(
        f"Request parameters [width], [height], [{work.steps_name}] and [samples] ask for too much in one task: "
        f"{work.width} x {work.height} x {work.steps} x {work.samples} is {-(-work.pixel_steps // MILLION)} million "
        f"pixel steps, and this server draws at most {most_millions} million. {_advice(work, most)}"
    )


def _advice(work: Work, most: int) -> str:
    """Say how far each would have to be lowered alone; what could not be lowered enough is left out."""
    ways = {
        "samples": most * work.samples // work.pixel_steps,
        work.steps_name: most * work.steps // work.pixel_steps,
    }
    lowered = [f"[{name}] to {fits}" for name, fits in ways.items() if fits]
    return f"Lower {', or '.join([*lowered, '[width] and [height]'])}."


def _int(values: Mapping[str, object], name: str) -> int:
    value = values.get(name, 1)
    return max(1, int(value)) if isinstance(value, int | float) else 1
