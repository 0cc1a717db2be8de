"""easel db upgrade."""

import typer

from server.adapters.sql.schema import head_revision, upgrade
from server.entrypoints.composition import open_settled_database
from server.settings import read_settings

app = typer.Typer(help="The database.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keep `upgrade` a subcommand: typer folds a lone command into its group."""


@app.command("upgrade")
def upgrade_schema() -> None:
    """Make the database's schema this release's."""
    upgrade(open_settled_database(read_settings()))
    typer.echo(f"The database has this release's schema ({head_revision()}).")
