"""`easel api`: the API alone."""

from server.adapters.wakeups import LocalWakeups
from server.entrypoints.composition import ensure_secrets, ensure_usable, make_wiring, open_settled_database
from server.entrypoints.serve import ApiThread
from server.entrypoints.signals import on_stop_signals
from server.settings import Settings


def run_api(settings: Settings) -> int:
    """Serve until stopped. Never makes a schema or a project."""
    database = open_settled_database(settings)
    ensure_usable(database)
    ensure_secrets(settings, database)
    api = ApiThread(make_wiring(settings, database, LocalWakeups(), needs_worker=False), settings)
    on_stop_signals(api.ask_to_stop)
    api.start()
    api.wait()
    database.close()
    return 0
