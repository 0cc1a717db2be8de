"""Measure the API: `python -m bench.api [--only H1,H4] [--quick] [--into FOLDER]`.

easel runs as `easel api` in a process of its own, the references in theirs, this one makes the load; they take turns.
What counts are the ratios: absolute times are those of whatever else this machine does.
"""

import argparse
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from bench.goals import Figure
from bench.http_goals import QUICK, Scale, details, submits
from bench.measuring import Spread, machine_facts
from bench.queue_position import positions
from bench.socket_goals import fan_outs, idlers
from bench.stage import temporary_folder

RESULTS: Final = Path(__file__).parent / "results"
PARTS: Final[Mapping[tuple[str, ...], Callable[[Path, Scale], Sequence[Figure]]]] = {
    ("H1", "H2", "H3"): submits,
    ("H4", "H5"): fan_outs,
    ("H6",): idlers,
    ("H7",): details,
    ("queue",): positions,
}
GOALS: Final = tuple(goal for goals in PARTS for goal in goals)


def measure(only: Sequence[str], scale: Scale) -> list[Figure]:
    """Measure the goals that are wanted; those that share their runs come together."""
    found: list[Figure] = []
    for goals, part in PARTS.items():
        if set(goals).intersection(only):
            with temporary_folder() as folder:
                found += [figure for figure in part(folder, scale) if figure.goal in only]
    return found


def write(figures: Sequence[Figure], into: Path, *, quick: bool, name: str = "api") -> Path:
    """Write a result; return its file."""
    at = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    body = {"at": at, "quick": quick, "machine": machine_facts(), "figures": [figure.plain() for figure in figures]}
    into.mkdir(parents=True, exist_ok=True)
    file = into / f"{name}-{at}.json"
    file.write_text(json.dumps(body, indent=1) + "\n")
    return file


def table(figures: Sequence[Figure]) -> Table:
    """Return the figures for people."""
    made = Table("goal", "what", "easel", "reference", "ratio", "must", "holds")
    for figure in figures:
        must = [
            f"{name}{'≤' if bound.better == 'lower' else '≥'} {bound.must:g}"
            for name, bound in (("ratio ", figure.ratio_bound), ("", figure.bound))
            if bound
        ]
        holds = {None: "", True: "yes", False: "NO"}[figure.holds]
        ours = f"{_shown(figure.ours)} {figure.unit}"
        made.add_row(
            figure.goal, figure.what, ours, _shown(figure.reference), _shown(figure.ratios), ", ".join(must), holds
        )
    return made


def _shown(values: Sequence[float]) -> str:
    if not values:
        return ""
    spread = Spread.of(values)
    return f"{spread.median:.3g} ({spread.low:.3g}–{spread.high:.3g})"


def _goals(text: str) -> list[str]:
    wanted = text.split(",")
    if not set(wanted).issubset(GOALS):
        raise argparse.ArgumentTypeError(f"the goals are {', '.join(GOALS)}")
    return wanted


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, write and print."""
    parser = argparse.ArgumentParser(description="Measure easel's API against references in the same run.")
    parser.add_argument("--only", type=_goals, default=list(GOALS), help=f"of {','.join(GOALS)}")
    parser.add_argument("--quick", action="store_true", help="a few seconds; the figures mean nothing")
    parser.add_argument("--into", type=Path, default=RESULTS, help="the folder for the result")
    given = parser.parse_args(arguments)
    figures = measure(given.only, QUICK if given.quick else Scale())
    write(figures, given.into, quick=given.quick)
    Console(width=160).print(table(figures))


if __name__ == "__main__":
    main()
