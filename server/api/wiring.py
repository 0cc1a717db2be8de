"""What the porch is given: ports and plain values, by value."""

from dataclasses import dataclass, field
from typing import Annotated, Final, cast

from fastapi import Depends
from fastapi.requests import HTTPConnection

from models.catalogue import Catalogue
from server.api.body_stream import Pace
from server.api.lane import Width
from server.api.sockets import SocketLimits
from server.domain.rescue import Limits
from server.ports import Clock, EventLog, FileStore, Health, ProjectStore, SecretBox, TaskStore, Wakeups, WorkerRegistry
from server.ports.files import FileKeeper, UploadStore
from server.ports.overview import Overview, ProjectLog
from server.ports.previews import PreviewBoard
from server.ports.reads import Reads
from server.ports.views import QueueView
from server.ports.webhooks import WebhookSender, WebhookStore
from server.services.installed import Installed
from server.services.retention import Retention
from server.services.screen import Screen
from server.services.sign_in import SignInLinks
from server.services.statistics import Statistics
from server.services.tell_traces import Traces
from server.services.throttle import FailureThrottle

_NO_RETENTION: Final = Retention()
_PACE: Final = Pace()
_SOCKETS: Final = SocketLimits()
_CALL_THREADS: Final = Width(quick=1, most=4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """Everything the API works with.

    `public_url` is where clients reach this server ("" to take it from each request). `needs_worker` makes /readyz
    wait for a loaded worker. `lease_seconds` paces the rescue of tasks whose worker went silent, `sweep_seconds` the
    removal of files that are not kept any longer; `pace` is how slowly a request may come, `call_threads` how many
    calls about tasks are worked on at once. `work_limit` is in millions of pixel steps, 0 for none. `installed` are
    the weights that can be seen from here. `blur` makes pages show pictures only when somebody asks; `sign_in` are
    links that sign browsers in, where there are any. `metrics_token` opens /metrics (empty: to this machine alone),
    `process` names this one there; callers of `operators` (projects by name) see all projects on the dashboard.
    `traces` are told where there is somebody to hear them.
    """

    reads: Reads
    tasks: TaskStore
    log: EventLog
    statistics: Statistics
    projects: ProjectStore
    registry: WorkerRegistry
    files: FileStore
    secrets: SecretBox
    webhooks: WebhookStore
    sender: WebhookSender
    wakeups: Wakeups
    clock: Clock
    health: Health
    catalogue: Catalogue
    screen: Screen
    limits: Limits
    uploads: UploadStore
    keeper: FileKeeper
    queue: QueueView
    overview: Overview
    project_log: ProjectLog
    previews: PreviewBoard
    throttle: FailureThrottle
    retention: Retention = _NO_RETENTION
    public_url: str = ""
    needs_worker: bool = False
    lease_seconds: float = 30.0
    heartbeat_seconds: float = 5.0
    poll_seconds: float = 0.1
    call_threads: Width = _CALL_THREADS
    sockets: SocketLimits = _SOCKETS
    work_limit: int = 0
    sweep_seconds: float = 60.0
    pace: Pace = _PACE
    installed: Installed = field(default_factory=Installed)
    metrics_token: str = ""
    process: str = ""
    operators: frozenset[str] = frozenset()
    blur: bool = False
    sign_in: SignInLinks | None = None
    traces: Traces | None = None


def wiring_of(connection: HTTPConnection) -> Wiring:
    """Return what the application of a request was given."""
    return cast("Wiring", connection.app.state.wiring)


async def _wiring(connection: HTTPConnection) -> Wiring:
    # Typed on HTTPConnection, so that one dependency serves HTTP and websockets alike. Async, though it waits for
    # nothing: a plain function would be sent to a thread and back for every request.
    return wiring_of(connection)


Wired = Annotated[Wiring, Depends(_wiring)]
