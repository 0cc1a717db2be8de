"""easel files copy."""

from typing import Annotated

import typer

from server.adapters.sql.file_names import named_files
from server.domain.bucket_url import parse_bucket_url
from server.entrypoints.file_stores import open_files
from server.entrypoints.opening import ensure_usable, open_settled_database
from server.entrypoints.trouble import Trouble
from server.services.copy_files import copy_files
from server.settings import read_settings

app = typer.Typer(help="The files: pictures and uploads.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keep `copy` a subcommand: typer folds a lone command into its group."""


@app.command()
def copy(
    to: Annotated[str, typer.Argument(help="A folder, or s3://bucket/prefix?endpoint=URL.", metavar="TO")],
) -> None:
    """Copy all files that the database names to TO while easel goes on working; what is there stays."""
    settings = read_settings()
    if to.lower().startswith("s3://"):
        try:
            parse_bucket_url(to)
        except ValueError as error:
            raise Trouble(f"{to} {error}.") from None
    elif "://" in to:
        raise Trouble(f"{to} is neither a folder nor a bucket such as s3://bucket/prefix.")
    database = open_settled_database(settings)
    ensure_usable(database)
    target = open_files(settings.model_copy(update={"files_url": to}))
    done = copy_files(named_files(database), open_files(settings), target)
    gone = f"; {done.gone} are in the database but no longer where files are kept" if done.gone else ""
    typer.echo(f"{done.copied} file(s) copied to {to}, {done.there} were there already{gone}.")
