"""`easel up`: everything in one process and its engine child, on one machine."""

import json
import os
from pathlib import Path

from rich.console import Console

from server.adapters.sql.engines import Database
from server.adapters.sql.projects import SqlProjectStore
from server.adapters.sql.schema import upgrade
from server.adapters.wakeups import LocalWakeups
from server.domain.project import AuthMethod
from server.entrypoints.composition import (
    Drawing,
    choose_drawing,
    ensure_usable,
    load_catalogue,
    make_supervisor,
    make_wiring,
    open_settled_database,
    secret_box,
)
from server.entrypoints.miniature import write_miniature_if_needed
from server.entrypoints.serve import ApiThread
from server.entrypoints.signals import on_stop_signals
from server.services.projects import create_project
from server.settings import Settings

_DRAIN_SECONDS = 10.0


def run_up(settings: Settings, console: Console) -> int:
    """Serve and draw until stopped. On the embedded database, bring its schema up first."""
    database = open_settled_database(settings)
    if settings.embedded:
        upgrade(database)
    ensure_usable(database)
    _make_default_project(settings, database, console)
    write_miniature_if_needed(settings, console)
    drawing = choose_drawing(settings, load_catalogue(settings))
    return _serve_and_draw(settings, database, drawing, console)


def _serve_and_draw(settings: Settings, database: Database, drawing: Drawing, console: Console) -> int:
    wakeups = LocalWakeups()
    api = ApiThread(make_wiring(settings, database, wakeups, needs_worker=True), settings)
    supervisor = make_supervisor(settings, database, wakeups, drawing, default_drain=_DRAIN_SECONDS)
    on_stop_signals(supervisor.stop)
    api.start()
    console.print(f"easel listens on http://{settings.host}:{api.port}/v1 (Ctrl-C stops it)")
    # The API outlives the supervisor: sockets see the end of what was being drawn.
    code = supervisor.run()
    api.stop()
    database.close()
    return code


def _make_default_project(settings: Settings, database: Database, console: Console) -> None:
    projects = SqlProjectStore(database)
    path = settings.data_dir / "project.json"
    if projects.all():
        return
    made = create_project(projects, secret_box(settings), "default", AuthMethod.SIGNATURE)
    _write_private(path, {"name": made.name, "apiKey": made.api_key, "apiSecret": made.api_secret})
    console.print(f"made project 'default'; its key and secret are in {path}")


def _write_private(path: Path, content: dict[str, str | None]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(content, file, indent=2)
        file.write("\n")
