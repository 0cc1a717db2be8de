"""easel up | link | api | worker.

What serves is imported by the command that serves: no other needs FastAPI, which takes long to load.
"""

import time
from typing import Annotated

import typer
from rich.console import Console

from server.entrypoints.checks import ask_api, check_api, check_worker
from server.entrypoints.logs import set_up_logging
from server.entrypoints.sign_in_link import base_address, default_credentials, link_lines
from server.entrypoints.trouble import Trouble
from server.services.sign_in import sign_in_code
from server.settings import Settings, read_settings


def add_to(app: typer.Typer) -> None:
    """Add the commands that serve."""
    app.command()(up)
    app.command()(link)
    app.command()(api)
    app.command()(worker)


def up() -> None:
    """Serve and draw, everything on this machine."""
    from server.entrypoints.up import run_up  # noqa: PLC0415 see above

    raise typer.Exit(run_up(_settings(), Console(stderr=True)))


def link() -> None:
    """Print a new link that signs a browser in to what `easel up` serves on this machine."""
    settings = read_settings()
    credentials = default_credentials(settings)
    if credentials is None:
        raise Trouble(
            f"No project.json in {settings.data_dir}: `easel up` writes one at its first start. Where projects were "
            "made by `easel project create`, sign in with their key and secret."
        )
    ask_api(settings, "/healthz")
    for line in link_lines(sign_in_code(credentials, time.time()), base_address(settings, settings.port)):
        typer.echo(line)


_Check = Annotated[bool, typer.Option("--check", help="Start nothing: say whether the one on this host is well.")]


def api(*, check: _Check = False) -> None:
    """Serve the HTTP API and the websocket only."""
    if check:
        typer.echo(check_api(read_settings()))
        return
    from server.entrypoints.api import run_api  # noqa: PLC0415 see above

    raise typer.Exit(run_api(_settings()))


def worker(
    *, check: _Check = False, name: Annotated[str, typer.Option(help="What `easel workers` calls it.")] = ""
) -> None:
    """Draw only: claim tasks from the database."""
    if check:
        typer.echo(check_worker(read_settings()))
        return
    from server.entrypoints.worker import run_worker  # noqa: PLC0415 see above

    settings = _settings()
    raise typer.Exit(run_worker(settings.model_copy(update={"worker_name": name}) if name else settings))


def _settings() -> Settings:
    settings = read_settings()
    set_up_logging(settings)
    return settings
