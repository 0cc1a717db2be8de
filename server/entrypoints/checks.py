"""`easel api --check` and `easel worker --check`: what container runtimes ask to know whether a process is well."""

import socket
from typing import Final

import httpx2

from server.adapters.sql.workers import SqlWorkerRegistry
from server.domain.worker import WorkerState
from server.entrypoints.addresses import http_url
from server.entrypoints.opening import ensure_usable, open_settled_database
from server.entrypoints.trouble import Trouble
from server.settings import Settings

_SECONDS: Final = 4.0
_MISSED_BEATS: Final = 3
_EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 compared with, not listened on


def check_api(settings: Settings) -> str:
    """Return one sentence about the API on this host. Raises Trouble when it can't serve."""
    answer = ask_api(settings, "/readyz")
    if not answer.is_success:
        raise Trouble(f"The API is not ready: {answer.text.strip()[:500]}")
    return "The API is ready."


def ask_api(settings: Settings, path: str) -> httpx2.Response:
    """Return what the API on this host answers to a GET. Raises Trouble when nothing answers."""
    url = f"{http_url(_EVERYWHERE.get(settings.host, settings.host), settings.port)}{path}"
    try:
        return httpx2.get(url, timeout=_SECONDS, trust_env=False)
    except httpx2.HTTPError as error:
        raise Trouble(f"The API does not answer at {url}: {error}. Is `easel up` or `easel api` running?") from None


def check_worker(settings: Settings) -> str:
    """Return one sentence about the workers on this host. Raises Trouble, or Unavailable, unless one is well.

    A worker that is finishing before it stops is well; one that is still loading is not yet.
    """
    database = open_settled_database(settings)
    ensure_usable(database, newer=True)  # it goes on drawing while the next release takes over
    host = socket.gethostname()
    alive = SqlWorkerRegistry(database).alive(_MISSED_BEATS * settings.heartbeat_seconds)
    here = [worker for worker in alive if worker.host == host]
    well = [worker for worker in here if worker.state is not WorkerState.LOADING]
    if well:
        return f"{len(well)} worker(s) on {host}, drawing on {', '.join(worker.device for worker in well)}."
    if here:
        raise Trouble(f"The worker on {host} is still loading its model. Wait, or look into its log.")
    raise Trouble(
        f"No worker on {host} has told of itself lately. Start one with `easel worker`, or look into its log."
    )
