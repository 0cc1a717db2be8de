"""Measure drawing on a GPU: `python -m bench.gpu [--device cuda] [--dtype bfloat16] [--tiny] [--into FOLDER]`.

Full-size SDXL base and refiner and LoRAs of rank 64, all of random numbers: speed doesn't depend on them. diffusers'
own pipelines and easel's engine, eager and compiled, draw the same job by turns. `--tiny --device cpu` proves the
script where there is no GPU; its figures mean nothing.
"""

import argparse
import json
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import torch
from rich.console import Console
from rich.table import Table

from bench.gpu_device import clocks, decode_flops, device_facts, gemm_rate, unet_flops
from bench.gpu_forwards import measure_forwards
from bench.gpu_goals import Measured, goals
from bench.gpu_jobs import Job, Ours, Stock, options_for
from bench.gpu_weights import Configs, read_configs
from pipelines.compiling import Compilation
from pipelines.contract import Phase
from pipelines.device import choose_dtype, device_of

RESULTS: Final = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much is measured."""

    job: Job
    many: Job
    gemm: int
    compilation: Compilation = Compilation.FULL
    repeats: int


FULL: Final = Scale(job=Job(), many=Job(samples=8, steps=20, refined=False, guidance_scale=5.0), gemm=8192, repeats=5)
TINY: Final = Scale(
    job=Job(samples=2, side=64, steps=6, refiner_steps=4),
    many=Job(samples=2, side=64, steps=2, refined=False),
    gemm=64,
    repeats=2,
)


def measure(configs: Configs, device: torch.device, precision: str, scale: Scale) -> dict[str, Any]:
    """Measure everything and return it as JSON takes it."""
    before = clocks()
    rate = gemm_rate(device, scale.gemm, choose_dtype(precision, device), 20)
    forwards = [
        measure_forwards(configs, device, options_for(precision, each, ()), scale.job.side, scale.repeats)
        for each in (Compilation.OFF, scale.compilation)
    ]
    jobs, phases, steps, equal = _draw_by_turns(configs, device, precision, scale)
    sizes = (scale.job.side, scale.job.side)
    flops = {
        Phase.BASE.value: unet_flops(configs, "base_unet", *sizes),
        Phase.REFINER.value: unet_flops(configs, "refiner_unet", *sizes),
        "decode": decode_flops(configs, *sizes),
    }
    measured = Measured(
        gemm_rate=rate,
        flops=flops,
        steps=steps,
        samples=scale.job.samples,
        many=scale.many.samples,
        jobs={name: statistics.median(taken) for name, taken in jobs.items()},
        phases=phases,
        eager=forwards[0],
        compiled=forwards[1],
        repeats_equal=equal,
    )
    return {
        "device": device_facts(device),
        "clocks": {"before": before, "after": clocks()},
        "precision": precision,
        "compilation": scale.compilation,
        "job": asdict(scale.job),
        "gemm": {"side": scale.gemm, "tflops": rate / 1e12},
        "flops": {**flops, "job": measured.job_flops},
        "steps": dict(steps),
        "seconds": jobs,
        "phases": phases,
        "forwards": {"eager": asdict(forwards[0]), "compiled": asdict(forwards[1])},
        "goals": [asdict(goal) for goal in goals(measured)],
    }


def _draw_by_turns(
    configs: Configs, device: torch.device, precision: str, scale: Scale
) -> tuple[dict[str, list[float]], dict[str, float], Mapping[str, int], bool]:
    """Return seconds by contestant, the compiled one's by phase, the steps it ran, whether repeats were bit-equal."""
    eager = Ours(configs, device, options_for(precision, Compilation.OFF, ()))
    compiled = Ours(configs, device, options_for(precision, scale.compilation, (scale.job.side,)))
    drawers: dict[str, Stock | Ours] = {
        "stock": Stock(configs, device, precision),
        "eager": eager,
        "compiled": compiled,
    }
    for drawer in drawers.values():
        drawer.draw(scale.job)  # the first one pays for what is made once
    taken: dict[str, list[float]] = {name: [] for name in [*drawers, "many"]}
    latents: list[list[torch.Tensor]] = []
    for _ in range(scale.repeats):
        for name, drawer in drawers.items():
            taken[name].append(drawer.draw(scale.job))
        latents.append(list(eager.latents))
        taken["many"].append(compiled.draw(scale.many))
    _, phases, steps = compiled.draw_phases(scale.job)
    equal = all(torch.equal(one, other) for each in latents for one, other in zip(each, latents[0], strict=True))
    return taken, phases, steps, equal


def table(result: Mapping[str, Any]) -> Table:
    """Return the goals for people."""
    made = Table("goal", "what", "measured", "must", "stretch", "holds")
    for goal in result["goals"]:
        value = "–" if goal["value"] is None else f"{goal['value']:.3g}"
        holds = "" if goal["holds"] is None else "yes" if goal["holds"] else "NO"
        made.add_row(goal["id"], goal["what"], value, goal["must"], goal["stretch"], holds)
    return made


def forwards_table(result: Mapping[str, Any]) -> Table:
    """Return the forwards of the base UNet for people."""
    made = Table("rows", *(f"{kind} ms/row" for kind in result["forwards"]))
    for rows in next(iter(result["forwards"].values()))["milliseconds_per_row"]:
        cells = [f"{kind['milliseconds_per_row'][rows]:.3g}" for kind in result["forwards"].values()]
        made.add_row(str(rows), *cells)
    return made


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, write and print."""
    parser = argparse.ArgumentParser(description="Measure drawing against diffusers in the same run.")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
    parser.add_argument("--dtype", default="bfloat16", choices=("float16", "bfloat16", "float32"))
    parser.add_argument(
        "--compile", type=Compilation, default=Compilation.FULL, help="regional, full; off: twice eager"
    )
    parser.add_argument("--threads", type=int, help="CPU threads; else torch chooses")
    parser.add_argument("--tiny", action="store_true", help="small shapes; the figures mean nothing")
    parser.add_argument("--into", type=Path, default=RESULTS, help="the folder for the result")
    given = parser.parse_args(arguments)
    if given.threads:
        torch.set_num_threads(given.threads)
    scale = replace(TINY if given.tiny else FULL, compilation=given.compile)
    result = measure(read_configs(tiny=given.tiny), device_of(given.device), given.dtype, scale)
    at = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    given.into.mkdir(parents=True, exist_ok=True)
    (given.into / f"gpu-{at}.json").write_text(json.dumps({"at": at, "tiny": given.tiny, **result}, indent=1) + "\n")
    console = Console(width=160)
    console.print(result["device"], result["clocks"], {name: min(taken) for name, taken in result["seconds"].items()})
    console.print(forwards_table(result))
    console.print(table(result))


if __name__ == "__main__":
    main()
