"""Putting it together: from settings to stores, the API's wiring and a supervisor."""

import logging
import os
import socket
import uuid
from typing import Final

from models.gate.gate import load_gate
from server.adapters.clock import SystemClock
from server.adapters.hashes import CachedHashes
from server.adapters.sql.engines import Database
from server.adapters.sql.event_log import SqlEventLog
from server.adapters.sql.overview import SqlOverview
from server.adapters.sql.previews import SqlPreviewBoard
from server.adapters.sql.project_log import SqlProjectLog
from server.adapters.sql.projects import SqlProjectStore
from server.adapters.sql.queue_view import SqlQueueView
from server.adapters.sql.refusals import SqlRefusalLog
from server.adapters.sql.removals import SqlFileKeeper
from server.adapters.sql.runs import SqlRunCounter
from server.adapters.sql.schema import SqlHealth
from server.adapters.sql.uploads import SqlUploadStore
from server.adapters.sql.webhooks import SqlWebhookStore
from server.adapters.sql.workers import SqlWorkerRegistry
from server.api.lane import Width
from server.api.sockets import SocketLimits
from server.api.wiring import Wiring
from server.domain.rescue import Limits
from server.domain.types import WorkerId
from server.domain.worker import Worker, WorkerState
from server.entrypoints.bounds import quota_of, retention
from server.entrypoints.drawings import Drawing, seen_weights, served_catalogue
from server.entrypoints.faults.points import read_faults
from server.entrypoints.faults.ports import around_files, around_sender, make_process, make_tasks
from server.entrypoints.file_stores import open_files
from server.entrypoints.opening import load_catalogue, secret_box
from server.entrypoints.outbound import make_downloads, make_sender
from server.entrypoints.traces import make_traces
from server.ports import Wakeups
from server.ports.files import Downloads
from server.services.installed import DrawingSettings, Installed
from server.services.screen import Screen
from server.services.sign_in import SignInLinks
from server.services.statistics import Statistics
from server.services.throttle import FailureThrottle
from server.settings import Settings
from server.worker.inputs import InputSource
from server.worker.labels import Labels
from server.worker.prepare import CardPreparation
from server.worker.supervisor import Outside, Supervisor
from server.worker.timing import Timing

_log = logging.getLogger(__name__)

LIMITS = Limits()
_POLL_SECONDS: Final = {True: 0.1, False: 1.0}
"""Between the hub's looks at the log, by whether nobody wakes it; where commits do, a look finds what got lost."""
_CALL_THREADS: Final = {True: Width(quick=1, most=4), False: Width(quick=8, most=8)}
"""By whether the database is SQLite. Elsewhere most of them wait for the network."""


def make_wiring(
    settings: Settings,
    database: Database,
    wakeups: Wakeups,
    *,
    needs_worker: bool,
    miniature: bool = False,
    sign_in: SignInLinks | None = None,
) -> Wiring:
    """Return what the API works with. `miniature`: whether it may draw, unless the settings say it."""
    faults = read_faults(os.environ)
    return Wiring(
        reads=database,
        tasks=make_tasks(database, quota_of(settings), faults),
        previews=SqlPreviewBoard(database),
        queue=SqlQueueView(database, quota_of(settings)),
        overview=SqlOverview(database),
        project_log=SqlProjectLog(database),
        throttle=FailureThrottle(SystemClock(), settings.auth_failures_per_minute),
        log=SqlEventLog(database),
        statistics=Statistics(SqlRunCounter(database), SystemClock()),
        projects=SqlProjectStore(database),
        registry=SqlWorkerRegistry(database),
        files=around_files(open_files(settings), faults),
        secrets=secret_box(settings),
        webhooks=SqlWebhookStore(database),
        sender=around_sender(make_sender(settings), faults),
        wakeups=wakeups,
        clock=SystemClock(),
        health=SqlHealth(database),
        catalogue=served_catalogue(settings, miniature=miniature),
        screen=Screen(load_gate(), SqlRefusalLog(database)),
        limits=LIMITS,
        uploads=SqlUploadStore(database),
        keeper=SqlFileKeeper(database),
        retention=retention(settings),
        public_url=settings.public_url,
        needs_worker=needs_worker,
        lease_seconds=settings.lease_seconds,
        heartbeat_seconds=settings.heartbeat_seconds,
        sockets=SocketLimits(tokens=settings.tokens_per_socket, per_address=settings.sockets_per_address),
        work_limit=settings.work_limit,
        poll_seconds=_POLL_SECONDS[settings.poll_only],
        call_threads=_CALL_THREADS[database.is_sqlite],
        blur=settings.content == "blur",
        sign_in=sign_in,
        installed=Installed(
            seen_weights(settings, miniature=miniature),
            DrawingSettings(settings.device, settings.dtype, settings.batch_rows),
        ),
        metrics_token=settings.metrics_token,
        process=f"{socket.gethostname()}:{os.getpid()}",
        operators=settings.operator_names,
        traces=make_traces(settings, database),
    )


def make_supervisor(
    settings: Settings,
    database: Database,
    wakeups: Wakeups,
    drawing: Drawing,
    *,
    default_drain: float,
    downloads: Downloads | None = None,
) -> Supervisor:
    """Return a supervisor, not yet running; `downloads` is what it reads input URLs with."""
    worker = Worker(
        id=WorkerId(uuid.uuid4().hex),
        host=socket.gethostname(),
        name=settings.worker_name or socket.gethostname(),
        pid=os.getpid(),
        engine=drawing.spec.engine,
        device="",
        state=WorkerState.LOADING,
    )
    faults = read_faults(os.environ)
    files = around_files(open_files(settings), faults)
    catalogue = load_catalogue(settings)
    outside = Outside(
        tasks=make_tasks(database, quota_of(settings), faults),
        registry=SqlWorkerRegistry(database),
        refusals=SqlRefusalLog(database),
        files=files,
        wakeups=wakeups,
        clock=SystemClock(),
        engine=make_process(drawing.spec.command(), faults),
        labels=Labels(
            drawing.weights, CachedHashes(settings.data_dir / "hashes.json"), full=settings.png_metadata == "full"
        ),
        previews=SqlPreviewBoard(database),
        inputs=InputSource(SqlUploadStore(database), files, downloads or make_downloads(settings), catalogue),
    )
    timing = Timing(
        lease=settings.lease_seconds,
        heartbeat=settings.heartbeat_seconds,
        drain=default_drain if settings.drain_seconds is None else settings.drain_seconds,
        stop_grace=settings.stop_seconds,
    )
    preparation = CardPreparation(catalogue, drawing.models, drawing.weights, load_gate())
    recycle = None if settings.recycle_gb is None else int(settings.recycle_gb * 1e9)
    return Supervisor(worker, outside, preparation, timing, LIMITS, recycle)
