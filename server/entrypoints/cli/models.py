"""easel models list."""

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from models.shipped import MINIATURE, weights_for
from models.weights import WeightSet
from server.entrypoints.composition import load_catalogue
from server.settings import read_settings

app = typer.Typer(help="Models: cards, weights and LoRAs.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keep `list` a subcommand: typer folds a lone command into its group."""


@app.command("list")
def list_models() -> None:
    """List the model cards and the weights found for them."""
    settings = read_settings()
    table = Table("model", "base weights", "refiner", "LoRAs")
    troubles: list[str] = []
    for card in load_catalogue(settings):
        weights = weights_for(card, settings.models_folders, miniature=settings.miniature is not False)
        if isinstance(weights, WeightSet):
            base = f"[yellow]{MINIATURE}[/] (shipped)" if weights.miniature else escape(str(weights.base))
            table.add_row(card.slug, base, "yes" if weights.refiner else "no", ", ".join(weights.loras) or "none")
        else:
            table.add_row(card.slug, "[red]incomplete[/]" if weights.partly else "[yellow]none found[/]", "", "")
            troubles.append(weights.sentence)
    console = Console()
    console.print(table)
    for trouble in troubles:
        console.print(escape(trouble), highlight=False, soft_wrap=True)
