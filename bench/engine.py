"""Measure the engine on the miniature: `python -m bench.engine [--quick] [--rows 2] [--threads 1] [--into FOLDER]`.

Fair turns and first-come-first-served draw the same load, by turns in one process; diffusers' pipelines draw beside
them. What counts are the ratios, and those of CPU seconds: what else a machine does lengthens the others. One thread,
since the miniature gains next to nothing from a second one, and loses much where anything else wants that core.
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
    Cost,
    FirstComeFirstServed,
    Outcome,
    Reference,
    Scale,
    cost_of,
    draw_alone,
    engine,
    mixed,
    request,
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
        draw_alone(warm_up, request("short", *scale.short))
    reference.draw(request("short", *scale.short))
    return [*_loads(scale, fair, first_come, reference), *_overhead(scale, fair, reference)]


def _loads(scale: Scale, fair: SdxlEngine, first_come: SdxlEngine, reference: Reference) -> list[Figure]:
    ours, theirs, batched = list[Outcome](), list[Outcome](), list[float]()
    (samples, steps), (few, short) = scale.long, scale.short
    for number in range(scale.repeats):
        # whoever is second meets a warmer machine: they take turns at it
        sides = [(ours, fair), (theirs, first_come)]
        for outcomes, drawing in sides if number % 2 == 0 else reversed(sides):
            outcomes.append(mixed(drawing, scale))
        long = request("long", samples, steps)
        batched.append(samples * steps / cost_of(partial(reference.draw, long)).seconds)
    total = scale.longs * samples * steps + scale.shorts * few * short
    what = f"steps of all per second; diffusers, a long one's {2 * samples} rows at once"
    per_second = [total / each.seconds for each in ours]
    beside = Figure(goal="E2", what=what, unit="1/s", ours=per_second, reference=batched)
    return [*_waits(ours, theirs), *_throughput(total, ours, theirs), beside]


def _waits(ours: Sequence[Outcome], theirs: Sequence[Outcome]) -> list[Figure]:
    kinds = [("short ones beside long ones", "short", Bound(1 / 5)), ("the long ones", "long", None)]
    return [
        Figure(
            goal="E1",
            what=f"{what}, p95; first come first served",
            unit="s",
            ours=[_p95(each, kind) for each in ours],
            reference=[_p95(each, kind) for each in theirs],
            ratio_bound=bound,
        )
        for what, kind, bound in kinds
    ]


def _throughput(total: int, ours: Sequence[Outcome], theirs: Sequence[Outcome]) -> list[Figure]:
    return [
        Figure(
            goal="E2",
            what="steps of all per CPU second; first come first served",
            unit="1/s",
            ours=[total / each.cpu_seconds for each in ours],
            reference=[total / each.cpu_seconds for each in theirs],
            ratio_bound=Bound(ENOUGH, "higher"),
        ),
        Figure(
            goal="E2",
            what="steps of all per second; first come first served",
            unit="1/s",
            ours=[total / each.seconds for each in ours],
            reference=[total / each.seconds for each in theirs],
        ),
    ]


def _overhead(scale: Scale, fair: SdxlEngine, reference: Reference) -> list[Figure]:
    ours, theirs = list[Cost](), list[Cost]()
    for number in range(scale.overhead_repeats):
        # a prompt of its own each time: ours remembers what it has encoded
        wanted = replace(request("one", 1, scale.long[1]), prompt=f"a photo of {number + 2} trees")
        sides = [(ours, partial(draw_alone, fair, wanted)), (theirs, partial(reference.draw, wanted))]
        for costs, draw in sides if number % 2 == 0 else reversed(sides):
            costs.append(cost_of(draw))
    return [
        Figure(
            goal="E3",
            what="one picture alone; diffusers' pipelines",
            unit="CPU s",
            ours=[each.cpu_seconds for each in ours],
            reference=[each.cpu_seconds for each in theirs],
            ratio_bound=Bound(1.02),
        ),
        Figure(
            goal="E3",
            what="one picture alone; diffusers' pipelines",
            unit="s",
            ours=[each.seconds for each in ours],
            reference=[each.seconds for each in theirs],
        ),
    ]


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
