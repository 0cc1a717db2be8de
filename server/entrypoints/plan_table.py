"""A plan as a small table in the terminal."""

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from server.entrypoints.client import Json


def print_plan(console: Console, plan: Json) -> None:
    """Print what would be drawn, then the notes, each a line."""
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column()
    for name, value in _rows(plan):
        table.add_row(name, value)
    console.print(table, highlight=False, markup=False)
    for note in plan["notes"]:
        console.print(f"- {note}", highlight=False, markup=False, soft_wrap=True)


def _rows(plan: Json) -> Iterator[tuple[str, str]]:
    yield "model", plan["model"]
    yield "scheduler", plan["scheduler"]
    yield "pictures", f"{plan['samples']} of {_size(plan['delivered'])}" + _enlarged(plan)
    if "steps" in plan:
        yield "base", _leg(plan["base"], plan["timesteps"]["base"])
        yield "refiner", _leg(plan["refiner"], plan["timesteps"]["refiner"])
        yield "in all", f"{plan['steps']} steps, {plan['unetevaluations']} UNet evaluations"
    if "chunks" in plan["prompt"]:
        yield "prompt", f"{sum(plan['prompt']['prompt']['tokens'])} tokens in {plan['prompt']['chunks']} chunk(s)"
    for lora in plan["loras"]:
        yield "lora", f"{lora['name']} at {lora['weight']:g}: {lora['status']}"
    if "queueposition" in plan:
        wait = f", may start in {plan['estimatedwait']:g} s" if "estimatedwait" in plan else ""
        yield "queue", f"position {plan['queueposition']}{wait}"
    yield "drawing", f"some {plan['estimatedseconds']:g} s" if "estimatedseconds" in plan else "nobody knows how long"
    if "estimatedmemory" in plan:
        yield "memory", _memory(plan["estimatedmemory"])


def _memory(memory: Json) -> str:
    offload = f", {_gib(memory['offload'])} with offload" if "offload" in memory else ""
    return f"some {_gib(memory['resident'])} in {memory['dtype']}, {_gib(memory['weights'])} of it weights{offload}"


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"


def _leg(count: int, timesteps: list[float]) -> str:
    return f"{count} steps a picture, timesteps {timesteps[0]:g} to {timesteps[-1]:g}" if count else "no steps"


def _size(size: Json) -> str:
    return f"{size['width']} × {size['height']}"


def _enlarged(plan: Json) -> str:
    return "" if plan["drawn"] == plan["delivered"] else f", drawn at {_size(plan['drawn'])}"
