"""Putting it together: from settings to stores, the API's wiring and a supervisor."""

import logging
import math
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
from models.weights import Missing, WeightSet, find_weights
from server.adapters.clock import SystemClock
from server.adapters.files import LocalFiles
from server.adapters.secret_box import FileKeySecretBox
from server.adapters.sql.engines import Database, open_database
from server.adapters.sql.event_log import SqlEventLog
from server.adapters.sql.projects import SqlProjectStore
from server.adapters.sql.refusals import SqlRefusalLog
from server.adapters.sql.schema import SqlHealth
from server.adapters.sql.tasks import SqlTaskStore
from server.adapters.sql.workers import SqlWorkerRegistry
from server.api.wiring import Wiring
from server.domain.rescue import Limits
from server.domain.types import WorkerId
from server.domain.worker import Worker, WorkerState
from server.entrypoints.engine import EngineSpec, fake_modes
from server.entrypoints.packages import Find, missing_worker_packages
from server.ports import Wakeups
from server.services.screen import Screen
from server.settings import Settings
from server.worker.engine_process import EngineProcess
from server.worker.prepare import CardPreparation
from server.worker.supervisor import Outside, Supervisor, Timing

_log = logging.getLogger(__name__)

LIMITS = Limits()


class Trouble(Exception):
    """A command can't go on; the message is one plain sentence that says what is wrong and what to do."""


def open_settled_database(settings: Settings) -> Database:
    """Open the database of the settings. Raises Trouble for a URL that can't be one."""
    if settings.embedded:
        try:
            settings.data_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Trouble(f"The data folder {settings.data_dir} can't be made: {error.strerror}.") from None
    try:
        return open_database(settings.database)
    except ValueError as error:
        raise Trouble(f"EASEL_DATABASE_URL can't be used: {error}") from None


def ensure_usable(database: Database) -> None:
    """Raise Unavailable unless the database is there and has this release's schema."""
    SqlHealth(database).check()


def ensure_secrets(settings: Settings, database: Database) -> None:
    """Raise Unavailable when projects have secrets but their key is not in the data folder."""
    if any(project.secret_encrypted is not None for project in SqlProjectStore(database).all()):
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


def make_wiring(settings: Settings, database: Database, wakeups: Wakeups, *, needs_worker: bool) -> Wiring:
    """Return what the API works with."""
    return Wiring(
        tasks=SqlTaskStore(database),
        log=SqlEventLog(database),
        projects=SqlProjectStore(database),
        registry=SqlWorkerRegistry(database),
        files=LocalFiles(settings.files_folder),
        secrets=secret_box(settings),
        wakeups=wakeups,
        health=SqlHealth(database),
        catalogue=load_catalogue(settings),
        screen=Screen(load_gate(), SqlRefusalLog(database)),
        limits=LIMITS,
        public_url=settings.public_url,
        needs_worker=needs_worker,
        lease_seconds=settings.lease_seconds,
        heartbeat_seconds=settings.heartbeat_seconds,
        tokens_per_socket=settings.tokens_per_socket,
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


def choose_drawing(settings: Settings, catalogue: Catalogue, find: Find = find_spec) -> Drawing:
    """Decide what this worker draws. Raises Trouble when there are no weights, or nothing to draw with."""
    if settings.engine == "fake":
        step_ms, mode = _fake_options(settings.fake)
        return Drawing(EngineSpec(engine="fake", step_ms=step_ms, mode=mode), [card.slug for card in catalogue], None)
    require_worker_extra(find)
    found = {card.slug: find_weights(card, settings.models_folders) for card in catalogue}
    usable = {slug: weights for slug, weights in found.items() if isinstance(weights, WeightSet)}
    if not usable:
        sentences = [weights.sentence for weights in found.values() if isinstance(weights, Missing)]
        raise Trouble(sentences[0] if sentences else "There is no model card to serve.")
    # One process holds one set of weights: the one most cards are drawn with.
    bases = [weights.base for weights in usable.values()]
    base = max(bases, key=bases.count)
    models = [slug for slug, weights in usable.items() if weights.base == base]
    _warn_of_the_others(usable, base)
    weights = usable[models[0]]
    if weights.miniature:
        _log.warning("drawing with the miniature: pictures are small and simple; real weights go into EASEL_MODELS_DIR")
    refiner = str(weights.refiner.absolute()) if weights.refiner else ""
    spec = EngineSpec(engine="sdxl", device=settings.device, base=str(weights.base.absolute()), refiner=refiner)
    return Drawing(spec, models, weights)


def _warn_of_the_others(usable: Mapping[str, WeightSet], base: Path) -> None:
    others = [f"{slug} ({weights.base})" for slug, weights in usable.items() if weights.base != base]
    if others:
        _log.warning("drawing with %s; not drawn here, for their weights are others: %s", base, ", ".join(others))


def make_supervisor(
    settings: Settings, database: Database, wakeups: Wakeups, drawing: Drawing, *, default_drain: float
) -> Supervisor:
    """Return a supervisor, not yet running."""
    worker = Worker(
        id=WorkerId(uuid.uuid4().hex),
        host=socket.gethostname(),
        pid=os.getpid(),
        engine=drawing.spec.engine,
        device="",
        state=WorkerState.LOADING,
    )
    outside = Outside(
        tasks=SqlTaskStore(database),
        registry=SqlWorkerRegistry(database),
        refusals=SqlRefusalLog(database),
        files=LocalFiles(settings.files_folder),
        wakeups=wakeups,
        clock=SystemClock(),
        engine=EngineProcess(drawing.spec.command()),
    )
    timing = Timing(
        lease=settings.lease_seconds,
        heartbeat=settings.heartbeat_seconds,
        drain=default_drain if settings.drain_seconds is None else settings.drain_seconds,
        stop_grace=settings.stop_seconds,
    )
    preparation = CardPreparation(load_catalogue(settings), drawing.models, drawing.weights, load_gate())
    return Supervisor(worker, outside, preparation, timing, LIMITS)


def _fake_options(text: str) -> tuple[float, str]:
    """Read `step_ms=20,mode=works`. Raises Trouble."""
    options = {"step_ms": "0", "mode": "works"}
    for part in filter(None, text.split(",")):
        name, _, value = part.partition("=")
        if name.strip() not in options:
            raise Trouble(f"EASEL_FAKE has {name.strip()!r}; it takes step_ms and mode.")
        options[name.strip()] = value.strip()
    if options["mode"] not in fake_modes():
        raise Trouble(f"EASEL_FAKE has the mode {options['mode']!r}; there are {', '.join(fake_modes())}.")
    try:
        step_ms = float(options["step_ms"])
    except ValueError:
        step_ms = math.nan
    if not 0 <= step_ms < math.inf:
        raise Trouble("EASEL_FAKE needs a number of milliseconds for step_ms.")
    return step_ms, options["mode"]
