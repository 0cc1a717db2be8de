"""The ASGI application, wired by value."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator
from functools import partial

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from starlette.concurrency import run_in_threadpool

from server.api import errors, websocket
from server.api.deliverer import Deliverer
from server.api.expectations import MOST_AHEAD, expectation_of
from server.api.hub import Hub
from server.api.lane import Lane
from server.api.metrics.house import House
from server.api.metrics.meter import Meter
from server.api.paths import ForgivingPaths, Heads
from server.api.previews import Gallery
from server.api.project_hub import ProjectHub
from server.api.routes import (
    dashboard,
    docs,
    files,
    health,
    metrics,
    model_pages,
    models,
    run,
    sign_in,
    static,
    task_pages,
    tasks,
    tools,
    uploads,
)
from server.api.slow_readers import SlowReaders
from server.api.sockets import OpenSockets
from server.api.telemetry import Telemetry
from server.api.upkeep import (
    collect_orphans_forever,
    count_runs,
    forget_run_keys_forever,
    forget_workers_forever,
    rescue_forever,
    sweep_files_forever,
    tell_traces_forever,
)
from server.api.wiring import Wiring

_log = logging.getLogger(__name__)


def create_app(wiring: Wiring) -> FastAPI:
    """Return the application. Its lifespan runs the hub, the delivery of webhooks, rescue and the sweepers."""
    app = FastAPI(title="easel", lifespan=_lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.router.redirect_slashes = False
    app.state.wiring = wiring
    app.state.meter = meter = Meter(wiring.process)
    meter.registry.register(House(wiring))
    for router in (
        run.router,
        tasks.router,
        tools.router,
        models.router,
        files.router,
        uploads.router,
        docs.router,
        health.router,
        metrics.router,
        dashboard.router,
        model_pages.router,
        sign_in.router,
        static.router,
        task_pages.router,
        websocket.router,
    ):
        app.include_router(router)
    app.add_middleware(CORSMiddleware, allow_origins=["*"], allow_methods=["*"], allow_headers=["*"])
    app.add_middleware(Telemetry, meter=meter, monotonic=wiring.clock.monotonic)
    app.add_middleware(ForgivingPaths)
    app.add_middleware(Heads)
    errors.install(app)
    return app


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncGenerator[None]:
    wiring: Wiring = app.state.wiring
    app.state.hub = hub = Hub(wiring.log, wiring.poll_seconds, partial(expectation_of, wiring, most=MOST_AHEAD))
    app.state.lane = Lane(wiring.call_threads)
    app.state.gallery = gallery = Gallery(wiring.previews, wiring.clock.monotonic)
    app.state.open_sockets = OpenSockets(wiring.sockets.per_address, app.state.meter.opened)
    app.state.slow_readers = slow_readers = SlowReaders(wiring.sockets.send_seconds)
    app.state.project_hub = project_hub = ProjectHub(wiring)
    wiring.wakeups.listen(hub.wake)
    wiring.wakeups.listen(project_hub.wake)
    deliverer = Deliverer(wiring, app.state.meter.sent)
    deliverer.start()
    works = (
        hub.run(),
        gallery.run(),
        project_hub.run(),
        slow_readers.run(),
        rescue_forever(wiring, app.state.meter.rescued),
        sweep_files_forever(wiring),
        collect_orphans_forever(wiring),
        forget_run_keys_forever(wiring),
        forget_workers_forever(wiring),
        tell_traces_forever(wiring),
        count_runs(wiring),
    )
    jobs = [asyncio.create_task(work) for work in works]
    try:
        yield
    finally:
        for job in jobs:
            job.cancel()
        await run_in_threadpool(deliverer.stop)
        await asyncio.gather(*jobs, return_exceptions=True)
