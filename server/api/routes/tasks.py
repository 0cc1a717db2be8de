"""POST /v1/Task/Detail, List, Cancel and Kill."""

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from models.catalogue import Catalogue
from server.api.body import Fields
from server.api.caller import Call, Called
from server.api.expectations import expectation_of, expectation_wire
from server.api.webhook_wire import webhooks_wire
from server.api.wire import Wire, task_wire
from server.api.wiring import Wiring
from server.domain.lifecycle import TaskStatus
from server.domain.task import Task
from server.domain.types import JsonValue, ProjectId
from server.ports import PageQuery, TaskStore, Wakeups
from server.services.find import TaskRef, find_task
from server.services.stop import cancel, kill

router = APIRouter(prefix="/v1/Task")

_MAX_LIMIT = 100
_MAX_NAME = 200
_MAX_START = 10**9
_OUTCOMES: Final = {"succeeded": True, "failed": False}


@router.post("/Detail")
async def detail(call: Called) -> JSONResponse:
    """Return one task."""

    def look() -> JSONResponse:
        task = find_task(call.wiring.tasks, call.project().id, call.ref)
        return _answer(call.wiring, [task], more=expectation_wire(expectation_of(call.wiring, task)))

    return await call.answer(partial(call.wiring.reads.at_once, look))


@router.post("/List")
async def page(call: Called) -> JSONResponse:
    """Return a page of the project's tasks, newest first."""

    def look() -> JSONResponse:
        found = call.wiring.tasks.page(call.project().id, _query(call.fields, call.wiring.catalogue))
        return _answer(call.wiring, found.tasks, found.total)

    return await call.answer(partial(call.wiring.reads.at_once, look))


@router.post("/Cancel")
async def cancel_task(call: Called) -> JSONResponse:
    """Cancel a queued task."""
    return await call.answer(partial(_stopped, call, cancel))


@router.post("/Kill")
async def kill_task(call: Called) -> JSONResponse:
    """Kill a running task, or cancel a queued one."""
    return await call.answer(partial(_stopped, call, kill))


def _stopped(call: Call, stop: Callable[[TaskStore, Wakeups, ProjectId, TaskRef | None], Task]) -> JSONResponse:
    wiring = call.wiring
    return _answer(wiring, [stop(wiring.tasks, wiring.wakeups, call.project().id, call.ref)])


def _answer(wiring: Wiring, tasks: Sequence[Task], total: int | None = None, more: Wire | None = None) -> JSONResponse:
    webhooks = webhooks_wire(wiring.webhooks, tasks)
    shown = [{**task_wire(task, wiring.catalogue), "webhooks": webhooks[task.id], **(more or {})} for task in tasks]
    total = len(tasks) if total is None else total
    # A response as it is: FastAPI would check a dictionary against its annotation, on a thread of its own.
    return JSONResponse({"total": str(total), "errors": [], "tasklist": shown, "result": True})


def _query(body: Fields, catalogue: Catalogue) -> PageQuery:
    """Read a page's bounds; what can't be read is left at its default, for nobody validates these."""
    given = body.get("modelName")
    # Cut, because SQLite refuses to look for more than 50,000 characters; no model's name is that long.
    model = given.strip()[:_MAX_NAME] if isinstance(given, str) else ""
    titled = (card.slug for card in catalogue if model.casefold() in card.title.casefold())
    return PageQuery(
        start=min(_count(body.get("start"), 0), _MAX_START),
        limit=min(max(_count(body.get("limit"), 20), 1), _MAX_LIMIT),
        ascending=str(body.get("order", "")).upper() == "ASC",
        model=model,
        or_models=frozenset(titled) if model else frozenset(),
        statuses=_statuses(body.get("status")),
        succeeded=_OUTCOMES.get(str(body.get("outcome"))),
    )


def _statuses(given: JsonValue) -> frozenset[TaskStatus]:
    """Read which statuses are wanted: names in a text, or a list of them; easel's own."""
    names = re.split(r"[\s,]+", given) if isinstance(given, str) else given if isinstance(given, Sequence) else ()
    return frozenset(status for status in TaskStatus if status.value in names)


def _count(value: object, default: int) -> int:
    text = str(value).strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else default  # noqa: PLR2004
