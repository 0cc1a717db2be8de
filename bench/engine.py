"""Measure the engine on the miniature: `python -m bench.engine [--quick] [--rows 2] [--threads 1] [--into FOLDER]`.

Fair turns and first-come-first-served draw the same load, by turns in one process; diffusers' pipelines draw beside
them. What counts are the ratios. One thread, since the miniature gains next to nothing from a second one, and loses
much where anything else wants that core.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

from rich.console import Console

from bench.api import RESULTS, table, write
from bench.engine_load import (
    QUICK,
    FirstComeFirstServed,
    Outcome,
    Reference,
    Scale,
    engine,
    mixed,
    request,
    seconds_alone,
)
from bench.goals import Bound, Figure
from bench.measuring import percentile
from pipelines.sdxl import SdxlEngine

ENOUGH: Final = 0.98
"""Both policies run the same forwards: what their throughputs differ by is this machine's noise."""


def measure(scale: Scale, *, rows: int, threads: int) -> list[Figure]:
    """Measure everything."""
    fair = engine(rows=rows, threads=threads)
    first_come = engine(FirstComeFirstServed(), rows=rows, threads=threads)
    reference = Reference()
    for warm_up in (fair, first_come):
        seconds_alone(warm_up, request("short", *scale.short))
    reference.seconds(request("short", *scale.short))
    return [*_loads(scale, fair, first_come, reference), _overhead(scale, fair, reference)]


def _loads(scale: Scale, fair: SdxlEngine, first_come: SdxlEngine, reference: Reference) -> list[Figure]:
    ours, theirs, batched = list[Outcome](), list[Outcome](), list[float]()
    (samples, steps), (few, short) = scale.long, scale.short
    for number in range(scale.repeats):
        # whoever is second meets a warmer machine: they take turns at it
        sides = [(ours, fair), (theirs, first_come)]
        for outcomes, drawing in sides if number % 2 == 0 else reversed(sides):
            outcomes.append(mixed(drawing, scale))
        batched.append(samples * steps / reference.seconds(request("long", samples, steps)))
    total = scale.longs * samples * steps + scale.shorts * few * short
    first = "first come first served"
    return [
        Figure(
            goal="E1",
            what=f"short ones beside long ones, p95; {first}",
            unit="s",
            ours=[_p95(each, "short") for each in ours],
            reference=[_p95(each, "short") for each in theirs],
            ratio_bound=Bound(1 / 5),
        ),
        Figure(
            goal="E1",
            what=f"the long ones, p95; {first}",
            unit="s",
            ours=[_p95(each, "long") for each in ours],
            reference=[_p95(each, "long") for each in theirs],
        ),
        Figure(
            goal="E2",
            what=f"steps of all per second; {first}",
            unit="1/s",
            ours=[total / each.seconds for each in ours],
            reference=[total / each.seconds for each in theirs],
            ratio_bound=Bound(ENOUGH, "higher"),
        ),
        Figure(
            goal="E2",
            what=f"steps of all per second; diffusers, a long one's {2 * samples} rows at once",
            unit="1/s",
            ours=[total / each.seconds for each in ours],
            reference=batched,
        ),
    ]


def _overhead(scale: Scale, fair: SdxlEngine, reference: Reference) -> Figure:
    ours, theirs = list[float](), list[float]()
    for number in range(scale.overhead_repeats):
        # a prompt of its own each time: ours remembers what it has encoded
        wanted = replace(request("one", 1, scale.long[1]), prompt=f"a photo of {number + 2} trees")
        sides = [(ours, partial(seconds_alone, fair)), (theirs, reference.seconds)]
        for seconds, draw in sides if number % 2 == 0 else reversed(sides):
            seconds.append(draw(wanted))
    return Figure(
        goal="E3",
        what="one picture alone; diffusers' pipelines",
        unit="s",
        ours=ours,
        reference=theirs,
        ratio_bound=Bound(1.02),
    )


def _p95(outcome: Outcome, kind: str) -> float:
    return percentile([seconds for name, seconds in outcome.latencies.items() if name.startswith(kind)], 0.95)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, write and print."""
    parser = argparse.ArgumentParser(description="Measure the engine on the miniature.")
    parser.add_argument("--quick", action="store_true", help="a few seconds; the figures mean nothing")
    parser.add_argument("--rows", type=int, default=2, help="rows of a forward")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch")
    parser.add_argument("--into", type=Path, default=RESULTS, help="the folder for the result")
    given = parser.parse_args(arguments)
    figures = measure(QUICK if given.quick else Scale(), rows=given.rows, threads=given.threads)
    write(figures, given.into, quick=given.quick, name="engine")
    Console(width=160).print(table(figures))


if __name__ == "__main__":
    main()
