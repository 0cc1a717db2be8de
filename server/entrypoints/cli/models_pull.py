"""easel models pull and verify."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TransferSpeedColumn

from models.layouts import scan
from models.lock import Locked, is_sha256
from models.recognise import Role, Unusable, recognise
from models.registry import RegistryError
from server.adapters.hub import HUB, HttpRemote
from server.adapters.model_store import LocalModelStore, sha256_of
from server.entrypoints.trouble import Trouble
from server.ports.pulling import PullFailed, RemoteFile
from server.services.pull import Plan, Wish, plan_pull, pull
from server.settings import Settings, read_settings


def pull_models(
    source: Annotated[str, typer.Argument(help="owner/name on the Hugging Face hub, or the https address of a file.")],
    role: Annotated[Role | None, typer.Option("--as", help="What it must be: base, refiner, lora or vae.")] = None,
    name: Annotated[str | None, typer.Option(help="Its name in cards and prompts.")] = None,
    variant: Annotated[
        str, typer.Option(help='Which of a repository\'s files to take; "" for those without one.')
    ] = "fp16",
    file: Annotated[str | None, typer.Option(help="The one file to take from a repository that has several.")] = None,
    sha256: Annotated[str | None, typer.Option(help="The hash that the file must have, where you know it.")] = None,
) -> None:
    """Fetch weights into easel's own folder; after an interruption the same command goes on where it stopped."""
    if sha256 is not None and not is_sha256(sha256.lower()):
        raise Trouble("--sha256 takes 64 hexadecimal digits.")
    settings, console = read_settings(), Console()
    store = LocalModelStore(settings.own_models_folder)
    wish = Wish(
        source=source, role=role, name=name, variant=variant, file=file, sha256=sha256.lower() if sha256 else None
    )
    # The names that the hub's own programs read.
    endpoint, token = os.environ.get("HF_ENDPOINT") or HUB, os.environ.get("HF_TOKEN") or ""
    try:
        with HttpRemote(endpoint, token) as remote:
            plan = plan_pull(remote, store, wish, time.sleep)
            _announce(console, plan)
            with _bar(console) as bar:
                pulled = pull(remote, store, plan, _Bars(bar, plan), time.sleep)
    except PullFailed as error:
        raise Trouble(str(error)) from None
    said = f"{pulled.path} is {pulled.recognised.words}; its sizes and hashes are in models.lock."
    console.print(escape(said), highlight=False, soft_wrap=True)


def verify_models() -> None:
    """Hold every pulled file to its size and sha256, and read the headers of all weights."""
    settings, console = read_settings(), Console()
    good = 0
    faults: list[str] = []
    for fault in _faults(settings):
        if fault is None:
            good += 1
        else:
            faults.append(fault)
            console.print(f"[red]{escape(fault)}[/]", highlight=False, soft_wrap=True)
    console.print(f"{good} sound, {len(faults)} not")
    raise typer.Exit(int(bool(faults)))


def _faults(settings: Settings) -> Iterator[str | None]:
    """Say what is wrong, or None for each thing that is right."""
    store = LocalModelStore(settings.own_models_folder)
    try:
        locked, found = store.locked(), scan(settings.models_folders)
    except (PullFailed, RegistryError) as error:
        raise Trouble(str(error)) from None
    for path, entry in locked.items():
        yield _fault(store.path(path), entry)
    for each in found:
        try:
            recognise(each.path)
        except Unusable as error:
            yield str(error)
        else:
            yield None


def _fault(path: Path, locked: Locked) -> str | None:
    if not path.is_file():
        return f"{path} is gone; it came from {locked.url}."
    size = path.stat().st_size
    if size != locked.size:
        return f"{path} has {size} bytes, {locked.size} when it was pulled: remove it and pull it again."
    if sha256_of(path) != locked.sha256:
        return f"{path} has changed since it was pulled from {locked.url}: remove it and pull it again."
    return None


def _announce(console: Console, plan: Plan) -> None:
    size = sum(file.size or 0 for file in plan.files) / 1e9
    licence = f"licence {plan.licence}" if plan.licence else "no licence is told; look at its page"
    said = f"{plan.name}: {len(plan.files)} file(s), {size:.2f} GB, {licence}."
    console.print(escape(said), highlight=False, soft_wrap=True)


def _bar(console: Console) -> Progress:
    name = TextColumn("{task.description}")
    return Progress(name, BarColumn(), DownloadColumn(), TransferSpeedColumn(), console=console, transient=True)


class _Bars:
    """One bar for all files."""

    def __init__(self, bar: Progress, plan: Plan) -> None:
        sizes = [file.size for file in plan.files]
        self._here: dict[str, int] = {}
        self._bar = bar
        total = None if None in sizes else sum(size or 0 for size in sizes)
        self._task: TaskID = bar.add_task(plan.name, total=total)

    def __call__(self, file: RemoteFile, here: int) -> None:
        self._here[file.name] = here
        self._bar.update(self._task, completed=sum(self._here.values()), description=escape(file.name))
