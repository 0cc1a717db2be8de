"""easel run: submit a task, watch it, save its pictures."""

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from server.entrypoints.addresses import http_url
from server.entrypoints.client import Account, Client, read_account
from server.entrypoints.composition import Trouble
from server.entrypoints.plan_table import print_plan
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
    client = Client(_account(url, read_settings()))
    console = Console()
    if plan:
        print_plan(console, client.plan(model, {"prompt": prompt, **_parameters(settings or [])}))
        return
    token = client.run(model, {"prompt": prompt, **_parameters(settings or [])})
    try:
        paths = watch_task(client, token, out, console)
    except KeyboardInterrupt:
        client.kill(token)
        raise Trouble("Interrupted; the task was killed.") from None
    for path in paths:
        typer.echo(str(path))


def _parameters(pairs: list[str]) -> dict[str, str]:
    parameters: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise Trouble(f"--set takes name=value, not {pair!r}.")
        parameters[name.strip()] = value
    return parameters


def _account(url: str, settings: Settings) -> Account:
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
