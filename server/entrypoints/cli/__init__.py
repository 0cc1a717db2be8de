"""The `easel` command."""

import importlib.metadata
import sys
from collections.abc import Callable
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from server.domain.errors import EaselError
from server.entrypoints.cli import database, files, models, project, refusals, replay, run, serving, webhooks, workers
from server.entrypoints.cli.doctor import doctor
from server.entrypoints.trouble import Trouble
from server.settings import SettingsError

app = typer.Typer(
    name="easel",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


def _show_version(asked: bool) -> None:  # noqa: FBT001 as typer calls it
    if asked:
        typer.echo(f"easel {importlib.metadata.version('easel')}")
        raise typer.Exit


_Version = Annotated[
    bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
]


@app.callback()
def _easel(*, version: _Version = False) -> None:  # pyright: ignore[reportUnusedFunction]
    """A self-hosted SDXL + LoRA image server that speaks the Wiro API."""
    del version


serving.add_to(app)
run.add_to(app)
replay.add_to(app)
app.add_typer(project.app, name="project")
app.add_typer(webhooks.app, name="webhooks")
app.add_typer(workers.app, name="workers")
app.add_typer(refusals.app, name="refusals")
app.add_typer(models.app, name="models")
app.add_typer(database.app, name="db")
app.add_typer(files.app, name="files")
app.command()(doctor)


def main() -> None:
    """Run the command; whatever a person can mend comes out as one sentence, not a traceback."""
    sys.exit(speak_plainly(app))


def speak_plainly(command: Callable[[], object]) -> int:
    """Call `command`; return its exit code, or print one sentence and return 1."""
    try:
        command()
    except (Trouble, SettingsError, EaselError) as trouble:
        return _refuse(str(trouble))
    except OSError as error:
        what = f"{error.filename} can't be used" if error.filename is not None else "The system refused"
        return _refuse(f"{what}: {error.strerror or error}.")
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else 1
    except KeyboardInterrupt:
        return 130
    return 0


def _refuse(sentence: str) -> int:
    said = escape(sentence)  # it may quote a value or a path with brackets
    Console(stderr=True).print(f"[bold red]easel:[/] {said}", highlight=False, soft_wrap=True)
    return 1
