"""POST /v1/Run/{owner}/{model}, and the same asked without queueing anything: /v1/Plan/{owner}/{model}."""

from functools import partial

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from server.api.base_url import base_url
from server.api.caller import Call
from server.api.expectations import alive_within
from server.api.plan_wire import plan_wire
from server.api.received import run_call
from server.api.wire import Wire
from server.domain.refusal import Stage
from server.domain.trace import owed_parent
from server.services.foresee import Surroundings, foresee
from server.services.run_files import Arrivals
from server.services.submit import Accepted, Submission, accept, submit

router = APIRouter()


@router.post("/v1/Run/{owner}/{model}")
async def run(owner: str, model: str, request: Request) -> JSONResponse:
    """Queue a task; answers at once with its id and token."""
    async with run_call(request, owner, model) as call:
        return await call.answer(partial(_queued, owner, model, request, call))


def _queued(owner: str, model: str, request: Request, call: Call) -> JSONResponse:
    wiring = call.wiring

    def check() -> tuple[Submission, Accepted]:
        asked = _submission(owner, model, request, call)
        return asked, accept(wiring.tasks, wiring.catalogue, wiring.screen, asked, work_limit=wiring.work_limit)

    task = submit(wiring.tasks, wiring.wakeups, *wiring.reads.at_once(check))
    # A response as it is: FastAPI would check a dictionary against its annotation, on a thread of its own.
    wire: Wire = {"errors": [], "taskid": str(task.id), "socketaccesstoken": task.token, "result": True}
    return JSONResponse(wire)


@router.post("/v1/Plan/{owner}/{model}")
async def plan(owner: str, model: str, request: Request) -> JSONResponse:
    """Say what a Run with this body would come to; nothing is queued, nothing kept."""
    async with run_call(request, owner, model) as call:
        return await run_in_threadpool(_foreseen, owner, model, request, call)


def _foreseen(owner: str, model: str, request: Request, call: Call) -> JSONResponse:
    wiring, asked = call.wiring, _submission(owner, model, request, call)
    accepted = accept(
        wiring.tasks, wiring.catalogue, wiring.screen, asked, work_limit=wiring.work_limit, stage=Stage.PLAN
    )
    around = Surroundings(wiring.queue, wiring.registry, wiring.installed, alive_within(wiring))
    foreseen = foresee(around, asked.project_id, accepted.card, accepted.values)
    return JSONResponse({"errors": [], "plan": plan_wire(foreseen), "result": True})


def _submission(owner: str, model: str, request: Request, call: Call) -> Submission:
    wiring, project, body = call.wiring, call.project(), call.submission
    return Submission(
        project_id=project.id,
        owner=owner,
        name=model,
        parameters=body.fields,
        arrivals=Arrivals(wiring.uploads, body.files),
        base_url=base_url(request, wiring.public_url),
        idempotency_key=request.headers.get("idempotency-key", ""),
        traceparent=owed_parent(request.headers.get("traceparent", "")) if wiring.traces else None,
    )
