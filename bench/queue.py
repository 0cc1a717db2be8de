"""Measure the queue: `python -m bench.queue [--only Q1,Q5] [--quick] [--into FOLDER]`.

Both databases are real and durable; PostgreSQL is started for the purpose. procrastinate is measured beside easel, on
the same PostgreSQL in the same run. What counts are the ratios: absolute times are those of whatever else this machine
does.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console

from bench.api import RESULTS, table, write
from bench.goals import Figure
from bench.queue_goals import QUICK, Scale, deep_claims, idlers, starts, submits, whole_lives
from bench.stage import temporary_folder
from tests.postgres import Cluster, running_cluster

PARTS: Final[Mapping[tuple[str, ...], Callable[[Cluster, Path, Scale], Sequence[Figure]]]] = {
    ("Q1",): submits,
    ("Q2",): whole_lives,
    ("Q3", "Q4"): starts,
    ("Q5",): deep_claims,
    ("Q6",): idlers,
}
GOALS: Final = tuple(goal for goals in PARTS for goal in goals)
_DURABLE: Final = {"max_connections": "100", "shared_buffers": "256MB"}


def measure(only: Sequence[str], scale: Scale) -> list[Figure]:
    """Measure the goals that are wanted; those that share their runs come together."""
    found: list[Figure] = []
    with running_cluster(_DURABLE) as cluster:
        for goals, part in PARTS.items():
            if set(goals).intersection(only):
                with temporary_folder() as folder:
                    found += [figure for figure in part(cluster, folder, scale) if figure.goal in only]
    return found


def _goals(text: str) -> list[str]:
    wanted = text.split(",")
    if not set(wanted).issubset(GOALS):
        raise argparse.ArgumentTypeError(f"the goals are {', '.join(GOALS)}")
    return wanted


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, write and print."""
    parser = argparse.ArgumentParser(description="Measure easel's queue against references in the same run.")
    parser.add_argument("--only", type=_goals, default=list(GOALS), help=f"of {','.join(GOALS)}")
    parser.add_argument("--quick", action="store_true", help="seconds instead of minutes; the figures mean nothing")
    parser.add_argument("--into", type=Path, default=RESULTS, help="the folder for the result")
    given = parser.parse_args(arguments)
    figures = measure(given.only, QUICK if given.quick else Scale())
    write(figures, given.into, quick=given.quick, name="queue")
    Console(width=170).print(table(figures))


if __name__ == "__main__":
    main()
