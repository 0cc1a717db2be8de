"""Probes: /healthz (alive) and /readyz (able to work)."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse

from server.api.wiring import Wired
from server.domain.worker import WorkerState

router = APIRouter()

_MISSED_BEATS = 3


@router.get("/healthz")
async def alive() -> dict[str, bool]:
    """Answer while the process lives: without a thread, which a database that is away could hold."""
    return {"ok": True}


@router.get("/readyz")
def ready(wiring: Wired, worker: Annotated[str, Query()] = "") -> JSONResponse:
    """Answer 200 when the database can be used and, where asked for, a worker has its model loaded."""
    trouble = wiring.health.trouble()
    if trouble is None and (wiring.needs_worker or worker == "1"):
        there = wiring.registry.alive(_MISSED_BEATS * wiring.heartbeat_seconds)
        if not any(one.state is WorkerState.READY for one in there):
            trouble = "No worker has its model loaded yet." if there else "No worker is running."
    return JSONResponse({"ok": trouble is None, "trouble": trouble}, 200 if trouble is None else 503)
