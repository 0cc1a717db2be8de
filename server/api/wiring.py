"""What the porch is given: ports and plain values, by value."""

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends
from fastapi.requests import HTTPConnection

from models.catalogue import Catalogue
from server.domain.rescue import Limits
from server.ports import (
    EventLog,
    FileStore,
    Health,
    ProjectStore,
    SecretBox,
    TaskStore,
    Wakeups,
    WorkerRegistry,
)
from server.services.screen import Screen


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """Everything the API works with.

    `public_url` is where clients reach this server ("" to take it from each request). `needs_worker` makes /readyz
    wait for a loaded worker. `lease_seconds` paces the rescue of tasks whose worker went silent.
    """

    tasks: TaskStore
    log: EventLog
    projects: ProjectStore
    registry: WorkerRegistry
    files: FileStore
    secrets: SecretBox
    wakeups: Wakeups
    health: Health
    catalogue: Catalogue
    screen: Screen
    limits: Limits
    public_url: str = ""
    needs_worker: bool = False
    lease_seconds: float = 30.0
    heartbeat_seconds: float = 5.0
    poll_seconds: float = 0.1
    tokens_per_socket: int = 200


def _wiring(connection: HTTPConnection) -> Wiring:
    # Typed on HTTPConnection, so that one dependency serves HTTP and websockets alike.
    return cast("Wiring", connection.app.state.wiring)


Wired = Annotated[Wiring, Depends(_wiring)]
