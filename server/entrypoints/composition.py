"""Putting it together: from settings to stores, the API's wiring and a supervisor."""

import logging
import os
import socket
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from models.card import CardError
from models.catalogue import Catalogue
from models.gate.gate import load_gate
from models.shipped import Drawable, find_drawable
from models.weights import WeightSet
from server.adapters.clock import SystemClock
from server.adapters.hashes import CachedHashes
from server.adapters.secret_box import FileKeySecretBox
from server.adapters.sql.engines import Database, open_database
from server.adapters.sql.event_log import SqlEventLog
from server.adapters.sql.overview import SqlOverview
from server.adapters.sql.places import NetworkFilesystem
from server.adapters.sql.previews import SqlPreviewBoard
from server.adapters.sql.project_log import SqlProjectLog
from server.adapters.sql.projects import SqlProjectStore
from server.adapters.sql.queue_view import SqlQueueView
from server.adapters.sql.refusals import SqlRefusalLog
from server.adapters.sql.removals import SqlFileKeeper
from server.adapters.sql.runs import SqlRunCounter
from server.adapters.sql.schema import SqlHealth
from server.adapters.sql.uploads import SqlUploadStore
from server.adapters.sql.wal import reset_bug_warning
from server.adapters.sql.webhooks import SqlWebhookStore
from server.adapters.sql.workers import SqlWorkerRegistry
from server.api.sockets import SocketLimits
from server.api.wiring import Wiring
from server.domain.rescue import Limits
from server.domain.types import WorkerId
from server.domain.worker import Worker, WorkerState
from server.entrypoints.bounds import quota_of, retention
from server.entrypoints.engine import EngineSpec
from server.entrypoints.engine_spec import sdxl_spec
from server.entrypoints.fake_options import read_fake_options
from server.entrypoints.faults.points import read_faults
from server.entrypoints.faults.ports import around_files, around_sender, make_process, make_tasks
from server.entrypoints.file_stores import open_files
from server.entrypoints.outbound import make_downloads, make_sender
from server.entrypoints.packages import Find, missing_worker_packages
from server.entrypoints.trouble import Trouble
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
from server.worker.supervisor import Outside, Supervisor, Timing

_log = logging.getLogger(__name__)

LIMITS = Limits()


def open_settled_database(settings: Settings) -> Database:
    """Open the database of the settings. Raises Trouble for a URL that can't be one."""
    if settings.embedded:
        try:
            settings.data_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Trouble(f"The data folder {settings.data_dir} can't be made: {error.strerror}.") from None
    try:
        return open_database(settings.database)
    except NetworkFilesystem as error:
        raise Trouble(str(error)) from None
    except ValueError as error:
        raise Trouble(f"EASEL_DATABASE_URL can't be used: {error}") from None


def ensure_usable(database: Database, *, newer: bool = False) -> None:
    """Raise Unavailable unless the database is there and has this release's schema; warn of a library with a bug.

    `newer`: whether a newer release's schema will do.
    """
    SqlHealth(database).check(newer=newer)
    warning = reset_bug_warning() if database.is_sqlite else None
    if warning is not None:
        _log.warning("%s", warning)


def ensure_secrets(settings: Settings, database: Database) -> None:
    """Raise Unavailable when there are secrets but their key is not in the data folder."""
    signing = any(project.secret_encrypted is not None for project in SqlProjectStore(database).all())
    if signing or SqlWebhookStore(database).count_secrets():
        secret_box(settings).check()


def load_catalogue(settings: Settings) -> Catalogue:
    """Read the cards. Raises Trouble for one that can't be used."""
    try:
        return Catalogue.load(settings.cards_folders)
    except CardError as error:
        raise Trouble(f"A model card can't be used: {error}.") from None


def secret_box(settings: Settings) -> FileKeySecretBox:
    """Return the box whose key lies in the data folder."""
    return FileKeySecretBox(settings.data_dir / "secret.key")


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
        blur=settings.content == "blur",
        sign_in=sign_in,
        installed=Installed(
            seen_weights(settings, miniature=miniature),
            DrawingSettings(settings.device, settings.dtype, settings.batch_rows),
        ),
        metrics_token=settings.metrics_token,
        process=f"{socket.gethostname()}:{os.getpid()}",
        operators=settings.operator_names,
    )


@dataclass(frozen=True, slots=True)
class Drawing:
    """What a worker draws with: the engine to start, the models it serves, their weights."""

    spec: EngineSpec
    models: Sequence[str]
    weights: WeightSet | None


def require_worker_extra(find: Find = find_spec) -> None:
    """Raise Trouble where easel was installed without what drawing needs."""
    missing = missing_worker_packages(find)
    if missing:
        raise Trouble(
            f"{', '.join(missing)} can't be found: pictures need the worker extra; "
            "install it with: pip install 'easel[worker]'"
        )


def drawable(settings: Settings, catalogue: Catalogue, *, miniature: bool) -> Drawable:
    """Return what can be drawn here. `miniature`: whether it may draw, unless the settings say it."""
    allowed = miniature if settings.miniature is None else settings.miniature
    return find_drawable(catalogue, settings.models_folders, miniature=allowed)


def served_catalogue(settings: Settings, *, miniature: bool) -> Catalogue:
    """Return the cards with the defaults of what will draw them."""
    found = seen_weights(settings, miniature=miniature)
    return load_catalogue(settings).with_miniature([slug for slug, weights in found.items() if weights.miniature])


def seen_weights(settings: Settings, *, miniature: bool) -> Mapping[str, WeightSet]:
    """Return the weights that lie here, by model; none where the fake engine draws, which needs none."""
    if settings.engine == "fake":
        return {}
    return drawable(settings, load_catalogue(settings), miniature=miniature).weights


def choose_drawing(
    settings: Settings, catalogue: Catalogue, find: Find = find_spec, *, miniature: bool = False
) -> Drawing:
    """Decide what this worker draws. Raises Trouble when there are no weights, or nothing to draw with.

    `miniature`: whether it may draw, unless the settings say it.
    """
    if settings.engine == "fake":
        try:
            step_ms, mode = read_fake_options(settings.fake)
        except ValueError as error:
            raise Trouble(str(error)) from None
        fake = EngineSpec(engine="fake", in_flight=settings.in_flight, step_ms=step_ms, mode=mode)
        return Drawing(fake, [card.slug for card in catalogue], None)
    require_worker_extra(find)
    found = drawable(settings, catalogue, miniature=miniature)
    usable = found.weights
    if not usable:
        raise Trouble(found.missing[0].sentence if found.missing else "There is no model card to serve.")
    for begun in (missing for missing in found.missing if missing.partly):
        _log.warning("%s", begun.sentence)
    # One process holds one set of weights: the one most cards are drawn with.
    bases = [weights.base for weights in usable.values()]
    base = max(bases, key=bases.count)
    models = [slug for slug, weights in usable.items() if weights.base == base]
    _warn_of_the_others(usable, base)
    weights = usable[models[0]]
    return Drawing(sdxl_spec(settings, weights), models, weights)


def miniature_banner(settings: Settings) -> str:
    """Say that the miniature draws, and why."""
    where = ", ".join(str(folder) for folder in settings.models_folders)
    return (
        f"Drawing with the miniature, a small SDXL that knows few words: no real weights in {where}. "
        "Put them there, or set EASEL_MODELS_DIR; EASEL_MINIATURE=0 forbids the miniature."
    )


def _warn_of_the_others(usable: Mapping[str, WeightSet], base: Path) -> None:
    others = [f"{slug} ({weights.base})" for slug, weights in usable.items() if weights.base != base]
    if others:
        _log.warning("drawing with %s; not drawn here, for their weights are others: %s", base, ", ".join(others))


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
