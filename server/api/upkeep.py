"""What every API process does beside answering: rescue tasks, let go of files and run keys, count runs."""

import asyncio
import logging
import time
import uuid
from collections.abc import Callable
from typing import Final

from starlette.concurrency import run_in_threadpool

from server.api.wiring import Wiring
from server.domain.errors import Unavailable
from server.domain.types import WorkerId
from server.services.rescue import RESCUE_PACE, rescue
from server.services.retention import collect_orphans, collect_unfinished, sweep
from server.services.run_key import LIFE_SECONDS
from server.services.tell_traces import tell_traces

_log = logging.getLogger(__name__)

_RUN_KEYS_SECONDS: Final = 3600.0
_ORPHANS_SECONDS: Final = 3600.0
_TRACES_SECONDS: Final = 2.0
_WORKERS_SECONDS: Final = 86_400.0


async def rescue_forever(wiring: Wiring, rescued: Callable[[int], None]) -> None:
    """Look several times a lease for tasks whose worker went silent; tell how many were taken over."""
    rescuer = WorkerId(f"api-{uuid.uuid4().hex}")

    def work() -> None:
        taken = rescue(wiring.tasks, rescuer, wiring.lease_seconds, wiring.limits)
        if taken:
            rescued(taken)
            wiring.wakeups.wake()

    while True:
        await asyncio.sleep(wiring.lease_seconds * RESCUE_PACE)
        if not await _tried("rescue", work):
            # Live workers renew first when the database is back: their leases ran out through no fault of theirs.
            await asyncio.sleep(wiring.lease_seconds)


async def sweep_files_forever(wiring: Wiring) -> None:
    """Let go of files that nobody keeps any more."""
    while True:
        await asyncio.sleep(wiring.sweep_seconds)
        await _tried("letting go of files", lambda: sweep(wiring.keeper, wiring.files, wiring.retention))


async def collect_orphans_forever(wiring: Wiring) -> None:
    """Look hourly for pictures that no task has, and for files that nobody finished: both go through all there are.

    Pictures of a lease's last moments are too young to be looked at.
    """
    age = max(_ORPHANS_SECONDS, 10 * wiring.lease_seconds)
    while True:
        await asyncio.sleep(_ORPHANS_SECONDS)
        await _tried("looking for orphans", lambda: collect_orphans(wiring.keeper, wiring.files, age))
        await _tried("looking for unfinished files", lambda: collect_unfinished(wiring.files))


async def forget_run_keys_forever(wiring: Wiring) -> None:
    """Forget the run keys of yesterday at the start, and then hourly."""
    while True:
        await _tried("forgetting run keys", lambda: wiring.tasks.forget_run_keys(LIFE_SECONDS))
        await asyncio.sleep(_RUN_KEYS_SECONDS)


async def forget_workers_forever(wiring: Wiring) -> None:
    """Forget workers that were killed a day ago: whoever looks for what went wrong still finds the others."""
    while True:
        await _tried("forgetting silent workers", lambda: wiring.registry.forget_silent(_WORKERS_SECONDS))
        await asyncio.sleep(_RUN_KEYS_SECONDS)


async def tell_traces_forever(wiring: Wiring) -> None:
    """Tell the traces of tasks that are over, if anybody listens."""
    traces = wiring.traces
    while traces is not None:
        await asyncio.sleep(_TRACES_SECONDS)
        await _tried("telling traces", lambda: tell_traces(traces, time.time()))


async def count_runs(wiring: Wiring) -> None:
    """Count once before the first client asks: of many tasks it takes seconds."""
    await _tried("counting runs", wiring.statistics.runs)


async def _tried(what: str, work: Callable[[], object]) -> bool:
    """Do the work on a thread; return False where the database was away. The next try makes up for a failed one."""
    try:
        await run_in_threadpool(work)
    except Unavailable as away:
        _log.warning("%s waits: %s", what, away)
        return False
    except Exception:  # noqa: BLE001 the next one may succeed
        _log.exception("%s failed; trying again", what)
    return True
