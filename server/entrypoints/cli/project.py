"""easel project create | list."""

import json
import sys
import time
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from server.adapters.sql.projects import SqlProjectStore
from server.domain.project import AuthMethod, Project
from server.domain.quota import UNLIMITED
from server.entrypoints.cli import credentials
from server.entrypoints.opening import ensure_secrets, ensure_usable, open_settled_database, secret_box
from server.services.bring import bring_project, read_credentials
from server.services.projects import create_project
from server.settings import Settings, read_settings

app = typer.Typer(help="Projects: who may use this server, and how much.", no_args_is_help=True)
credentials.add_to(app)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="A name of your choice, shown in listings.")],
    auth: Annotated[AuthMethod, typer.Option(help="Sign each call, or send the key only.")] = AuthMethod.SIGNATURE,
    existing: Annotated[bool, typer.Option("--import", help="Read Wiro's from standard input.")] = False,  # noqa: FBT002 a flag
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,  # noqa: FBT002 a flag
) -> None:
    """Create a project and show its key and secret, once."""
    settings = read_settings()
    database = open_settled_database(settings)
    ensure_usable(database)
    ensure_secrets(settings, database)  # else a second key would be made, and one of the two be lost
    projects, box = SqlProjectStore(database), secret_box(settings)
    if existing:
        project, warnings = bring_project(projects, box, read_credentials(_standard_input(auth), name, auth))
        _show_imported(project, warnings, as_json=as_json)
        return
    made = create_project(projects, box, name, auth)
    credentials.show(made.name, made.api_key, made.api_secret, as_json=as_json)


def _standard_input(auth: AuthMethod) -> str:
    """Return what is piped in; ask for it where a person sits, and show nothing of it."""
    if not sys.stdin.isatty():
        return sys.stdin.read(10_000)
    lines = [typer.prompt("API key", hide_input=True, err=True)]
    if auth is AuthMethod.SIGNATURE:
        lines.append(typer.prompt("API secret", hide_input=True, err=True))
    return "\n".join(lines)


def _show_imported(project: Project, warnings: list[str], *, as_json: bool) -> None:
    for warning in warnings:
        typer.echo(f"easel: {warning}", err=True)
    if as_json:
        typer.echo(json.dumps({"name": project.name, "auth": project.auth.value, "imported": True}))
    else:
        typer.echo(f"Made {project.name!r}: its clients keep their key, and change their address only.")


@app.command("list")
def list_projects() -> None:
    """List the projects."""
    settings = read_settings()
    database = open_settled_database(settings)
    ensure_usable(database)
    table = Table("id", "name", "auth", "key begins with", "state", "queued", "running", "created")
    for project in SqlProjectStore(database).all():
        table.add_row(str(project.id), project.name, project.auth.value, *_row(project, settings))
    Console().print(table)


def _row(project: Project, settings: Settings) -> list[str]:
    state = "active" if project.revoked_at is None else f"revoked {_time(project.revoked_at)}"
    prefix = f"{project.key_prefix}…"
    if project.retiring is not None:
        state += f", {project.retiring.key_prefix}… retires {_time(project.retiring.until)}"
    limits = (project.queued_limit, settings.queue_limit), (project.running_limit, settings.running_limit)
    return [prefix, state, *(_limit(own, common) for own, common in limits), _time(project.created_at)]


def _limit(own: int | None, common: int) -> str:
    limit = own if own is not None else common or UNLIMITED
    return "no limit" if limit == UNLIMITED else str(limit)


def _time(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at))
