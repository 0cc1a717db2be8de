"""easel models list | miniature."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from models.weights import WeightSet, find_weights
from server.entrypoints.composition import load_catalogue
from server.entrypoints.miniature import write_miniature
from server.settings import read_settings

app = typer.Typer(help="Models: cards, weights and LoRAs.", no_args_is_help=True)


@app.command("list")
def list_models() -> None:
    """List the model cards and the weights found for them."""
    settings = read_settings()
    table = Table("model", "base weights", "refiner", "LoRAs")
    for card in load_catalogue(settings):
        weights = find_weights(card, settings.models_folders)
        if isinstance(weights, WeightSet):
            refiner = "yes" if weights.refiner else "no"
            table.add_row(card.slug, str(weights.base), refiner, ", ".join(weights.loras) or "none")
        else:
            table.add_row(card.slug, "[yellow]none found[/]", "", "")
    Console().print(table)


@app.command()
def miniature(
    folder: Annotated[Path | None, typer.Argument(help="Where to; default: the first models folder.")] = None,
) -> None:
    """Write the miniature: a small SDXL that runs anywhere."""
    target = write_miniature(folder or read_settings().models_folders[0])
    typer.echo(f"Wrote the miniature to {target}.")
