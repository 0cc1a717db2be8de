"""easel db upgrade | backup."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from server.adapters.sql.backup import back_up, dump_command, has_pg_dump
from server.adapters.sql.schema import head_revision, upgrade
from server.entrypoints.opening import open_settled_database
from server.entrypoints.trouble import Trouble
from server.settings import Settings, read_settings

app = typer.Typer(help="The database.", no_args_is_help=True)


@app.command("upgrade")
def upgrade_schema() -> None:
    """Make the database's schema this release's."""
    upgrade(open_settled_database(read_settings()))
    typer.echo(f"The database has this release's schema ({head_revision()}).")


@app.command("backup")
def backup(file: Annotated[Path, typer.Argument(help="A new file for the copy.", metavar="FILE")]) -> None:
    """Copy the database to FILE while easel goes on working."""
    settings = read_settings()
    database = open_settled_database(settings)
    if not database.is_sqlite and not has_pg_dump():
        command = shlex.join(dump_command(database.url, file))
        raise Trouble(f"pg_dump is not installed here. Where it is, run: {command}")
    try:
        back_up(database, file)
    finally:
        database.close()
    typer.echo(_what_next(settings, file, sqlite=database.is_sqlite))


def _what_next(settings: Settings, file: Path, *, sqlite: bool) -> str:
    if sqlite:
        place = settings.database.removeprefix("sqlite:///")
        restore = f"stop easel, put the copy in the place of {place}, and remove {place}-wal and {place}-shm"
    else:
        restore = f"stop easel and run: pg_restore --clean --if-exists --dbname=… {shlex.quote(str(file))}"
    return (
        f"{file} is a copy of the database.\n"
        f"Copy as well: {settings.data_dir / 'secret.key'} (without it nobody can read the projects' secrets), "
        f"and the files in {settings.bucket or settings.files_folder}: easel files copy TO.\n"
        f"To restore, {restore}."
    )
