"""What every API process does now and then: forget the run keys of yesterday."""

import asyncio
import logging
from typing import Final

from starlette.concurrency import run_in_threadpool

from server.api.wiring import Wiring
from server.domain.errors import Unavailable
from server.services.run_key import LIFE_SECONDS

_log = logging.getLogger(__name__)

_EVERY_SECONDS: Final = 3600.0


async def sweep_forever(wiring: Wiring) -> None:
    """Sweep at the start, and then hourly; a failed sweep is made up for by the next."""
    while True:
        try:
            forgotten = await run_in_threadpool(wiring.tasks.forget_run_keys, LIFE_SECONDS)
            _log.debug("forgot %d keys of idempotency", forgotten)
        except Unavailable as away:
            _log.warning("sweeping waits: %s", away)
        except Exception:  # noqa: BLE001 the next one may succeed
            _log.exception("a sweep failed; trying again")
        await asyncio.sleep(_EVERY_SECONDS)
