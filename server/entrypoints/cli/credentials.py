"""easel project rotate | revoke | restore | limit."""

import json
import os
import secrets
import time
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from server.adapters.sql.projects import SqlProjectStore
from server.domain.project import Project
from server.domain.quota import UNLIMITED
from server.entrypoints.opening import ensure_secrets, ensure_usable, open_settled_database, secret_box
from server.services.projects import find_project, hash_key
from server.services.rotate import Part, Rotation
from server.services.rotate import rotate as rotate_project
from server.settings import Settings, read_settings

Name = Annotated[str, typer.Argument(help="The project's name.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands that change a project."""
    for command in (rotate, revoke, restore, limit):
        app.command()(command)


def show(name: str, api_key: str | None, api_secret: str | None, *, as_json: bool) -> None:
    """Print new credentials; this is the only time."""
    shown = {"name": name, "apiKey": api_key, "apiSecret": api_secret}
    if as_json:
        typer.echo(json.dumps(shown))
        return
    for field, value in shown.items():
        typer.echo(f"{field:10} {value or '(none: this project sends its key only)'}")
    typer.echo("Keep these now: they are not shown again.")


def rotate(
    name: Name,
    only: Annotated[Part, typer.Option(help="What to replace.")] = Part.BOTH,
    grace: Annotated[float, typer.Option(help="Hours for which the old ones are let in, too.")] = 24.0,
    end: Annotated[bool, typer.Option("--end", help="End the last rotation's grace.")] = False,  # noqa: FBT002 a flag
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,  # noqa: FBT002 a flag
) -> None:
    """Give a project a new key and secret, and show them, once."""
    settings, projects = _open()
    if end:
        projects.end_grace(find_project(projects, name).id)
        typer.echo(f"Only the newest key and secret of {name!r} are let in now.")
        return
    before = find_project(projects, name)
    made = rotate_project(projects, secret_box(settings), name, only, grace * 3600)
    _show_rotation(made, as_json=as_json)
    if _rewrite(settings.data_dir / "project.json", before, made):
        typer.echo(f"{settings.data_dir / 'project.json'} holds them now.", err=True)


def revoke(name: Name) -> None:
    """Refuse every call of a project from now on. Its queued tasks are still drawn."""
    _, projects = _open()
    projects.set_revoked(find_project(projects, name).id, revoked=True)
    typer.echo(f"{name!r} is refused from now on. `easel project restore {name}` lets it in again.")


def restore(name: Name) -> None:
    """Let a revoked project in again, with the credentials it had."""
    _, projects = _open()
    projects.set_revoked(find_project(projects, name).id, revoked=False)
    typer.echo(f"{name!r} is let in again.")


def limit(
    name: Name,
    queued: Annotated[str, typer.Option(help="How many of its tasks may wait: a number, none, or default.")] = "",
    running: Annotated[str, typer.Option(help="How many may run at once: a number, none, or default.")] = "",
) -> None:
    """Set a project's own limits. What is running already goes on."""
    _, projects = _open()
    project = find_project(projects, name)
    projects.set_limits(
        project.id,
        queued=_limit("--queued", queued, project.queued_limit, least=0),
        running=_limit("--running", running, project.running_limit, least=1),
    )
    typer.echo(f"The limits of {name!r} hold from the next task on; `easel project list` shows them.")


def _open() -> tuple[Settings, SqlProjectStore]:
    settings = read_settings()
    database = open_settled_database(settings)
    ensure_usable(database)
    ensure_secrets(settings, database)
    return settings, SqlProjectStore(database)


def _limit(option: str, text: str, own: int | None, *, least: int) -> int | None:
    match text.strip().lower():
        case "":
            return own
        case "default":
            return None
        case "none":
            return UNLIMITED
        case digits if digits.isascii() and digits.isdigit() and least <= int(digits[:10]) <= UNLIMITED:
            return int(digits[:10])
        case _:
            raise typer.BadParameter(f"{option} takes a number of at least {least}, none (no limit) or default.")


def _show_rotation(made: Rotation, *, as_json: bool) -> None:
    if as_json:
        show(made.project.name, made.api_key, made.api_secret, as_json=True)
        return
    for field, value in (("apiKey", made.api_key), ("apiSecret", made.api_secret)):
        typer.echo(f"{field:10} {value or '(stays as it is)'}")
    typer.echo("Keep these now: they are not shown again.")
    if made.project.retiring is not None:
        until = time.strftime("%Y-%m-%d %H:%M", time.localtime(made.project.retiring.until))
        typer.echo(f"What they replace is let in until {until}; end that with --end.")


def _rewrite(file: Path, before: Project, made: Rotation) -> bool:
    """Put new credentials into the file `easel run` reads, if it held the old ones."""
    try:
        held = cast("dict[str, Any]", json.loads(file.read_text()))
        if hash_key(str(held["apiKey"]).encode()) != before.key_hash:
            return False
    except (OSError, ValueError, KeyError, TypeError):
        return False
    held |= {name: new for name, new in (("apiKey", made.api_key), ("apiSecret", made.api_secret)) if new}
    aside = file.with_name(f"{file.name}.{secrets.token_hex(4)}.tmp")
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as writing:
        json.dump(held, writing, indent=2)
        writing.write("\n")
    aside.replace(file)
    return True
