"""easel workers list | drain | resume."""

from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from server.adapters.sql.workers import SqlWorkerRegistry
from server.domain.worker import Seen, Wish, WorkerState
from server.entrypoints.opening import ensure_usable, open_settled_database
from server.entrypoints.trouble import Trouble
from server.settings import read_settings

app = typer.Typer(help="Who draws, and letting one rest.", no_args_is_help=True)

_Name = Annotated[str, typer.Argument(help="The name that `list` shows.", metavar="NAME")]


@app.command("list")
def list_workers() -> None:
    """List the workers: what they do, how many tasks they hold, when they last told of themselves."""
    settings = read_settings()
    seen = _registry().seen()
    table = Table("name", "host", "pid", "device", "state", "tasks", "last beat", box=None)
    for each in seen:
        worker = each.worker
        state = _state(each, settings.lease_seconds)
        beat = f"{round(each.worker.silent)} s ago"
        table.add_row(worker.name, worker.host, str(worker.pid), worker.device, state, str(each.tasks), beat)
    Console(soft_wrap=True).print(table if seen else "There are none. Start one with: easel worker")


@app.command()
def drain(
    name: _Name,
    *,
    leave: Annotated[bool, typer.Option("--leave", help="Its process ends once it has finished.")] = False,
) -> None:
    """Let workers of that name finish what they hold, and claim nothing more."""
    _wish(name, Wish.LEAVE if leave else Wish.STAY)
    then = "then leave" if leave else f"then wait for: easel workers resume {name}"
    typer.echo(f"{name} finishes what it holds, claims nothing more, and will {then}.")


@app.command()
def resume(name: _Name) -> None:
    """Let drained workers of that name claim again."""
    _wish(name, None)
    typer.echo(f"{name} claims again.")


def _state(seen: Seen, lease: float) -> str:
    if seen.worker.silent > lease:
        return "silent"
    if seen.worker.state is WorkerState.DRAINING and not seen.tasks:
        return "drained"
    return seen.worker.state.value


def _wish(name: str, wish: Wish | None) -> None:
    if not _registry().wish(name, wish):
        raise Trouble(f"There is no worker named {name}. Look at: easel workers list")


def _registry() -> SqlWorkerRegistry:
    database = open_settled_database(read_settings())
    ensure_usable(database)
    return SqlWorkerRegistry(database)
