"""`easel up`: everything in one process and its engine child, on one machine."""

import errno
import json
import os
import secrets
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from rich.console import Console
from rich.markup import escape

from server.adapters.sql.engines import Database
from server.adapters.sql.projects import SqlProjectStore
from server.adapters.sql.schema import upgrade
from server.adapters.sql.wakeups import Role, open_wakeups
from server.domain.project import AuthMethod
from server.entrypoints.addresses import http_url
from server.entrypoints.composition import make_supervisor, make_wiring
from server.entrypoints.drawings import Drawing, choose_drawing, miniature_banner
from server.entrypoints.opening import ensure_secrets, ensure_usable, load_catalogue, open_settled_database, secret_box
from server.entrypoints.serve import ApiThread
from server.entrypoints.sign_in_link import base_address, default_credentials, link_lines
from server.entrypoints.signals import on_stop_signals
from server.services.projects import create_project
from server.services.sign_in import SignInLinks
from server.settings import Settings

_DRAIN_SECONDS = 10.0
_LAST_LOOK_SECONDS = 0.3
_ROOM: Final = 4096


def run_up(settings: Settings, console: Console) -> int:
    """Serve and draw until stopped. On the embedded database, bring its schema up first."""
    database = open_settled_database(settings)
    if settings.embedded:
        upgrade(database)
    ensure_usable(database)
    ensure_secrets(settings, database)
    _make_default_project(settings, database, console)
    drawing = choose_drawing(settings, load_catalogue(settings), miniature=True)
    if drawing.weights is not None and drawing.weights.miniature:
        console.print(f"[bold yellow]{escape(miniature_banner(settings))}[/]", highlight=False, soft_wrap=True)
    return _serve_and_draw(settings, database, drawing, console)


def _serve_and_draw(settings: Settings, database: Database, drawing: Drawing, console: Console) -> int:
    wakeups = open_wakeups(database, Role.BOTH, poll_only=settings.poll_only)
    credentials = default_credentials(settings)
    links = None if credentials is None else SignInLinks(time.time, credentials)
    wiring = make_wiring(settings, database, wakeups, needs_worker=True, miniature=True, sign_in=links)
    api = ApiThread(wiring, settings)
    supervisor = make_supervisor(settings, database, wakeups, drawing, default_drain=_DRAIN_SECONDS)
    on_stop_signals(supervisor.stop)
    api.start()
    console.print(f"easel listens on {http_url(settings.host, api.port)}/v1 (Ctrl-C stops it)")
    if links is not None:
        for line in link_lines(links.issue(), base_address(settings, api.port)):
            console.print(line, highlight=False, markup=False, soft_wrap=True)
    # The API outlives the supervisor by more than the hub's interval: sockets see the end of what was being drawn.
    code = supervisor.run()
    time.sleep(_LAST_LOOK_SECONDS)
    api.stop()
    wakeups.close()
    database.close()
    return code


def _make_default_project(settings: Settings, database: Database, console: Console) -> None:
    projects = SqlProjectStore(database)
    path = settings.data_dir / "project.json"
    if projects.all():
        return
    # The file first: a project whose secret could not be written down would be of no use, and would stay.
    with _private_file(path) as file:
        made = create_project(projects, secret_box(settings), "default", AuthMethod.SIGNATURE)
        json.dump({"name": made.name, "apiKey": made.api_key, "apiSecret": made.api_secret}, file, indent=2)
        file.write("\n")
    console.print(f"made project 'default'; its key and secret are in {path}", highlight=False, markup=False)


@contextmanager
def _private_file(path: Path) -> Generator[IO[str]]:
    """Open a file that only its owner may read, with room on the disk; it gets its name when all is written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():  # all else that could keep the file from its name shows below, before anything is yielded
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    aside = path.with_name(f"{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(" " * _ROOM)
            file.flush()
            os.fsync(file.fileno())
            file.seek(0)
            yield file
            file.truncate()
            file.flush()
            os.fsync(file.fileno())
        aside.rename(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
