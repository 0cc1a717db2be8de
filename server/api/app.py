"""The ASGI application, wired by value."""

import asyncio
import contextlib
import logging
import uuid
from collections.abc import AsyncGenerator

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from starlette.concurrency import run_in_threadpool

from server.api import errors, websocket
from server.api.deliverer import Deliverer
from server.api.hub import Hub
from server.api.paths import ForgivingPaths
from server.api.routes import files, health, run, tasks
from server.api.wiring import Wiring
from server.domain.errors import Unavailable
from server.domain.types import WorkerId
from server.services.rescue import rescue

_log = logging.getLogger(__name__)


def create_app(wiring: Wiring) -> FastAPI:
    """Return the application. Its lifespan runs the hub, webhooks and the rescue of silent workers' tasks."""
    app = FastAPI(title="easel", lifespan=_lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.router.redirect_slashes = False
    app.state.wiring = wiring
    for router in (run.router, tasks.router, files.router, health.router, websocket.router):
        app.include_router(router)
    app.add_middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"])
    app.add_middleware(ForgivingPaths)
    errors.install(app)
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncGenerator[None]:
    wiring: Wiring = app.state.wiring
    app.state.hub = hub = Hub(wiring.log, wiring.poll_seconds)
    wiring.wakeups.listen(hub.wake)
    deliverer = Deliverer(wiring)
    deliverer.start()
    jobs = [asyncio.create_task(hub.run()), asyncio.create_task(_rescue_forever(wiring))]
    try:
        yield
    finally:
        for job in jobs:
            job.cancel()
        await run_in_threadpool(deliverer.stop)
        await asyncio.gather(*jobs, return_exceptions=True)


async def _rescue_forever(wiring: Wiring) -> None:
    rescuer = WorkerId(f"api-{uuid.uuid4().hex}")
    while True:
        await asyncio.sleep(wiring.lease_seconds / 3)
        try:
            if await run_in_threadpool(rescue, wiring.tasks, rescuer, wiring.lease_seconds, wiring.limits):
                wiring.wakeups.wake()
        except Unavailable as away:
            # Live workers renew first when the database is back: their leases ran out through no fault of theirs.
            _log.warning("rescue waits: %s", away)
            await asyncio.sleep(wiring.lease_seconds)
        except Exception:  # noqa: BLE001 the next one may succeed
            _log.exception("a rescue failed; trying again")
