"""easel models check: does our engine draw what diffusers draws, on the weights that are installed here?"""

import json
import subprocess
import sys
from dataclasses import asdict
from typing import Annotated, Any, Final, cast

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from models.layouts import weights_name
from models.shipped import MINIATURE
from models.weights import WeightSet
from server.entrypoints.drawings import drawable, require_worker_extra
from server.entrypoints.engine_spec import sdxl_spec
from server.entrypoints.opening import load_catalogue
from server.entrypoints.trouble import Trouble
from server.settings import read_settings

_SIDE: Final = 1024
_STEPS: Final = 20


def check_models(
    model: Annotated[str | None, typer.Option(help="The card whose weights are checked; otherwise the first.")] = None,
    prompt: Annotated[str, typer.Option(help="What is drawn.")] = "a large red heart on a teal background",
    size: Annotated[int | None, typer.Option(help="Width and height; otherwise the weights' own.")] = None,
    steps: Annotated[int, typer.Option(help="Steps of both experts together.")] = _STEPS,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Draw one prompt with diffusers' own pipelines and with easel's engine, and compare the latents."""
    settings, console = read_settings(), Console()
    require_worker_extra()
    found = drawable(settings, load_catalogue(settings), miniature=True)
    slug = model or next(iter(found.weights), "")
    if slug not in found.weights:
        raise Trouble(found.missing[0].sentence if found.missing else f"There is no card {slug}.")
    weights = found.weights[slug]
    side = size or weights.miniature_side or _SIDE
    spec = asdict(sdxl_spec(settings, weights))
    paths = {key: spec[key] for key in ("device", "base", "refiner", "base_config", "refiner_config", "vae")}
    proof = _prove({**paths, "prompt": prompt, "width": side, "height": side, "steps": steps})
    proof["weights"] = _names(weights)
    if as_json:
        console.print_json(json.dumps(proof))
    else:
        console.print(_table(proof))
        console.print(escape(_verdict(proof)), highlight=False, soft_wrap=True)


def _prove(request: dict[str, object]) -> dict[str, Any]:
    # A process of its own: this one loads no torch.
    command = [sys.executable, "-P", "-m", "pipelines.proof", json.dumps(request)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 our own module
    if done.returncode:
        last = done.stderr.strip().rpartition("\n")[2] or f"exit code {done.returncode}"
        raise Trouble(f"The check could not be made: {last.rstrip('.')}.")
    return cast("dict[str, Any]", json.loads(done.stdout.strip().rpartition("\n")[2]))


def _names(weights: WeightSet) -> str:
    if weights.miniature:
        return MINIATURE
    names = [weights_name(path) for path in (weights.base, weights.refiner, weights.vae) if path]
    return " + ".join(names)


def _table(proof: dict[str, Any]) -> Table:
    table = Table("", "seconds to latents", "peak VRAM")
    for who in ("diffusers", "easel"):
        peak = proof[who]["peak_bytes"]
        table.add_row(who, f"{proof[who]['seconds']:.2f}", "no GPU" if peak is None else f"{peak / 1e9:.2f} GB")
    return table


def _verdict(proof: dict[str, Any]) -> str:
    asked, versions = proof["request"], proof["versions"]
    what = (
        f"{proof['weights']}, {asked['width']} × {asked['height']}, {asked['steps']} steps, {asked['noise_scheduler']}"
    )
    where = f"{proof['dtype']} on {proof['device']}, torch {versions['torch']}, diffusers {versions['diffusers']}"
    result = "equal to the bit" if proof["equal"] else (
        f"largest difference {proof['largest_difference']:.2e}, mean {proof['mean_difference']:.2e}, "
        f"of latents that deviate by {proof['latents_deviation']:.2f}"
    )  # fmt: skip
    return f"{what}, {where}: {result}."
