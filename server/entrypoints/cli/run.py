"""easel run: submit a task, watch it, save its pictures."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from server.entrypoints.addresses import http_url
from server.entrypoints.client import Account, Client, read_account
from server.entrypoints.plan_table import print_plan
from server.entrypoints.trouble import Trouble
from server.entrypoints.watch import watch_task
from server.settings import Settings, read_settings


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(run)


def run(
    prompt: Annotated[str, typer.Argument(help="What to draw; <lora:NAME:WEIGHT> applies a LoRA.")],
    model: Annotated[str, typer.Option(help="The model, as owner/name.")] = "hevok/studio-trigger",
    settings: Annotated[
        list[str] | None, typer.Option("--set", "-s", help="A parameter, as name=value; may be repeated.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the pictures.")] = Path("out"),
    url: Annotated[str, typer.Option(help="The server; default: EASEL_HOST and EASEL_PORT.")] = "",
    plan: Annotated[bool, typer.Option("--plan", help="Only print what would be drawn; nothing is queued.")] = False,  # noqa: FBT002 an option
) -> None:
    """Draw a prompt: submits it, shows its progress, saves the pictures."""
    client = Client(account_of(url, read_settings()))
    asked = {"prompt": prompt, **_parameters(settings or [])}
    if plan:
        print_plan(Console(), client.plan(model, asked))
        return
    for path in draw(client, model, asked, out):
        typer.echo(str(path))


def draw(client: Client, model: str, parameters: Mapping[str, str], out: Path) -> list[Path]:
    """Run a task, show its progress, save its pictures; return their paths. Raises Trouble."""
    token = client.run(model, parameters)
    try:
        return watch_task(client, token, out, Console())
    except KeyboardInterrupt:
        client.kill(token)
        raise Trouble("Interrupted; the task was killed.") from None


def _parameters(pairs: list[str]) -> dict[str, str]:
    parameters: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise Trouble(f"--set takes name=value, not {pair!r}.")
        parameters[name.strip()] = value
    return parameters


def account_of(url: str, settings: Settings) -> Account:
    """Return the server to call and the credentials for it. Raises Trouble."""
    url = (url or http_url(settings.host, settings.port)).rstrip("/").removesuffix("/v1")
    key = os.environ.get("EASEL_API_KEY", "")
    if key:
        return Account(url, key, os.environ.get("EASEL_API_SECRET") or None)
    file = settings.data_dir / "project.json"
    if settings.embedded and not (settings.data_dir / "easel.db").exists() and not file.exists():
        raise Trouble(
            f"No credentials: set EASEL_API_KEY and EASEL_API_SECRET, or start `easel up`, which makes {file}."
        )
    return read_account(url, file)
