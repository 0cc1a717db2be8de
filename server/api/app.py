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
from server.api.hub import Hub
from server.api.paths import ForgivingPaths
from server.api.routes import files, health, models, run, tasks, tools, uploads
from server.api.wiring import Wiring
from server.domain.errors import Unavailable
from server.domain.types import WorkerId
from server.services.rescue import rescue
from server.services.retention import sweep

_log = logging.getLogger(__name__)


def create_app(wiring: Wiring) -> FastAPI:
    """Return the application. Its lifespan runs the hub, the rescue of silent workers' tasks, and the sweeper."""
    app = FastAPI(title="easel", lifespan=_lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.router.redirect_slashes = False
    app.state.wiring = wiring
    for router in (
        run.router,
        tasks.router,
        tools.router,
        models.router,
        files.router,
        uploads.router,
        health.router,
        websocket.router,
    ):
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
    works = (hub.run(), _rescue_forever(wiring), _sweep_forever(wiring), _count_runs(wiring))
    jobs = [asyncio.create_task(work) for work in works]
    try:
        yield
    finally:
        for job in jobs:
            job.cancel()
        await asyncio.gather(*jobs, return_exceptions=True)


async def _count_runs(wiring: Wiring) -> None:
    """Count once before the first client asks: of many tasks it takes seconds."""
    with contextlib.suppress(Unavailable):
        await run_in_threadpool(wiring.statistics.runs)


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


async def _sweep_forever(wiring: Wiring) -> None:
    while True:
        await asyncio.sleep(wiring.sweep_seconds)
        try:
            await run_in_threadpool(sweep, wiring.keeper, wiring.files, wiring.retention)
        except Unavailable as away:
            _log.warning("letting go of files waits: %s", away)
        except Exception:  # noqa: BLE001 the next one may succeed
            _log.exception("letting go of files failed; trying again")
