"""easel up | api | worker.

What serves is imported by the command that serves: no other needs FastAPI, which takes long to load.
"""

from typing import Annotated

import typer
from rich.console import Console

from server.entrypoints.checks import check_api, check_worker
from server.entrypoints.logs import set_up_logging
from server.settings import Settings, read_settings


def add_to(app: typer.Typer) -> None:
    """Add the commands that serve."""
    app.command()(up)
    app.command()(api)
    app.command()(worker)


def up() -> None:
    """Serve and draw, everything on this machine."""
    from server.entrypoints.up import run_up  # noqa: PLC0415 see above

    raise typer.Exit(run_up(_settings(), Console(stderr=True)))


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
