"""easel project create | list."""

import json
import time
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from server.adapters.sql.projects import SqlProjectStore
from server.domain.project import AuthMethod
from server.entrypoints.composition import ensure_secrets, ensure_usable, open_settled_database, secret_box
from server.services.projects import create_project
from server.settings import read_settings

app = typer.Typer(help="Projects: who may use this server.", no_args_is_help=True)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="A name of your choice, shown in listings.")],
    auth: Annotated[AuthMethod, typer.Option(help="Sign each call, or send the key only.")] = AuthMethod.SIGNATURE,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,  # noqa: FBT002 a flag
) -> None:
    """Create a project and show its key and secret, once."""
    settings = read_settings()
    database = open_settled_database(settings)
    ensure_usable(database)
    ensure_secrets(settings, database)  # else a second key would be made, and one of the two be lost
    made = create_project(SqlProjectStore(database), secret_box(settings), name, auth)
    shown = {"name": made.name, "apiKey": made.api_key, "apiSecret": made.api_secret}
    if as_json:
        typer.echo(json.dumps(shown))
        return
    for field, value in shown.items():
        typer.echo(f"{field:10} {value or '(none: this project sends its key only)'}")
    typer.echo("Keep these now: they are not shown again.")


@app.command("list")
def list_projects() -> None:
    """List the projects."""
    database = open_settled_database(read_settings())
    ensure_usable(database)
    table = Table("id", "name", "auth", "key begins with", "created")
    for project in SqlProjectStore(database).all():
        created = time.strftime("%Y-%m-%d %H:%M", time.localtime(project.created_at))
        table.add_row(str(project.id), project.name, project.auth.value, project.key_prefix + "…", created)
    Console().print(table)
