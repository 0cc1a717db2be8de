"""`easel api`: the API alone."""

from server.adapters.sql.wakeups import Role, open_wakeups
from server.entrypoints.composition import make_wiring
from server.entrypoints.opening import ensure_secrets, ensure_usable, open_settled_database
from server.entrypoints.serve import ApiThread
from server.entrypoints.signals import on_stop_signals
from server.settings import Settings


def run_api(settings: Settings) -> int:
    """Serve until stopped. Never makes a schema or a project."""
    database = open_settled_database(settings)
    ensure_usable(database)
    ensure_secrets(settings, database)
    wakeups = open_wakeups(database, Role.API, poll_only=settings.poll_only)
    api = ApiThread(make_wiring(settings, database, wakeups, needs_worker=False), settings)
    on_stop_signals(api.ask_to_stop)
    api.start()
    api.wait()
    wakeups.close()
    database.close()
    return 0
