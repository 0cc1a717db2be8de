"""`easel worker`: a supervisor and its engine child, alone."""

import logging

from server.adapters.sql.wakeups import Role, open_wakeups
from server.entrypoints.composition import make_supervisor
from server.entrypoints.drawings import choose_drawing, miniature_banner
from server.entrypoints.opening import ensure_usable, load_catalogue, open_settled_database
from server.entrypoints.signals import on_stop_signals
from server.settings import Settings

_DRAIN_SECONDS = 300.0
_log = logging.getLogger(__name__)


def run_worker(settings: Settings) -> int:
    """Draw until stopped. Never makes a schema or a project."""
    drawing = choose_drawing(settings, load_catalogue(settings))
    if drawing.weights is not None and drawing.weights.miniature:
        _log.warning("%s", miniature_banner(settings))
    database = open_settled_database(settings)
    ensure_usable(database)
    wakeups = open_wakeups(database, Role.WORKER, poll_only=settings.poll_only)
    supervisor = make_supervisor(settings, database, wakeups, drawing, default_drain=_DRAIN_SECONDS)
    on_stop_signals(supervisor.stop)
    code = supervisor.run()
    wakeups.close()
    database.close()
    return code
