"""easel refusals list."""

import time
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from server.adapters.sql.projects import SqlProjectStore
from server.adapters.sql.refusals import SqlRefusalLog
from server.entrypoints.opening import ensure_usable, open_settled_database
from server.entrypoints.trouble import Trouble
from server.settings import read_settings

app = typer.Typer(help="What the prompt gate refused.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keep `list` a subcommand: typer folds a lone command into its group."""


@app.command("list")
def list_refusals(
    project: Annotated[str, typer.Option(help="Only this project's, by its name.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many at most.")] = 50,
) -> None:
    """List the latest refusals: when, whose, by which rules, and the SHA-256 of the prompt, never its text."""
    database = open_settled_database(read_settings())
    ensure_usable(database)
    names = {each.id: each.name for each in SqlProjectStore(database).all()}
    wanted = next((each for each, name in names.items() if name == project), None)
    if project and wanted is None:
        raise Trouble(f"There is no project named {project}; `easel project list` shows their names.")
    table = Table("time", "project", "task", "at", "gate", "rules", "sha256 of the prompt")
    for each in SqlRefusalLog(database).newest(limit, wanted):
        table.add_row(
            time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(each.at)),
            names.get(each.project_id, str(each.project_id)),
            str(each.task_id or ""),
            each.stage.value,
            each.gate_version,
            "\n".join(each.rules),
            each.prompt_sha256,
        )
    Console().print(table)
