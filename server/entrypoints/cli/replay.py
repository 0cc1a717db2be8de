"""easel replay: draw a picture again from its receipt, and say whether it comes out the same."""

from pathlib import Path
from typing import Annotated

import typer

from server.entrypoints.cli.run import account_of, draw
from server.entrypoints.client import Client
from server.entrypoints.replaying import (
    Original,
    changed_facts,
    parameters_in,
    read_original,
    read_picture,
    receipt_in,
    verdict,
)
from server.entrypoints.trouble import Trouble
from server.settings import read_settings

_NO_SUCH_MODEL = "slug-owner-project-not-exist"


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(replay)


def replay(
    picture: Annotated[Path, typer.Argument(help="A PNG that easel has drawn.")],
    out: Annotated[Path, typer.Option(help="Folder for the new picture.")] = Path("out"),
    url: Annotated[str, typer.Option(help="The server; default: EASEL_HOST and EASEL_PORT.")] = "",
) -> None:
    """Draw a picture again and compare: leaves with 0 if every pixel is the same, with 1 if not."""
    original = read_original(picture)
    again = _drawn_again(Client(account_of(url, read_settings())), original, out)
    image = read_picture(again)
    same, line = verdict(original.image, image)
    typer.echo(str(again))
    typer.echo(line)
    receipt = receipt_in(image)
    if receipt is None:
        typer.echo("what differs is unknown: this server writes no receipts (EASEL_PNG_METADATA=origin)")
    else:
        for fact in changed_facts(original.receipt, receipt) or ["every fact of the receipts is the same"]:
            typer.echo(f"  {fact}")
    if not same:
        raise typer.Exit(1)


def _drawn_again(client: Client, original: Original, out: Path) -> Path:
    model, parameters = parameters_in(original.receipt)
    try:
        paths = draw(client, model, parameters, out)
    except Trouble as trouble:
        if _NO_SUCH_MODEL in str(trouble):
            raise Trouble(f"The server has no model {model}: add its card there, or name another with --url.") from None
        raise
    if len(paths) != 1:
        raise Trouble(f"The server drew {len(paths)} pictures where one was asked for.")
    return paths[0]
