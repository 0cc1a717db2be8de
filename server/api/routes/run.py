"""POST /v1/Run/{owner}/{model}."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from server.api.base_url import base_url
from server.api.received import RunCall
from server.api.wire import Wire
from server.services.run_files import Arrivals
from server.services.submit import Submission, submit

router = APIRouter()


@router.post("/v1/Run/{owner}/{model}")
def run(owner: str, model: str, request: Request, call: RunCall) -> JSONResponse:
    """Queue a task; answers at once with its id and token."""
    wiring, project, body = call.wiring, call.project(), call.submission
    task = submit(
        wiring.tasks,
        wiring.wakeups,
        wiring.catalogue,
        wiring.screen,
        Submission(
            project_id=project.id,
            owner=owner,
            name=model,
            parameters=body.fields,
            arrivals=Arrivals(wiring.uploads, body.files),
            base_url=base_url(request, wiring.public_url),
            idempotency_key=request.headers.get("idempotency-key", ""),
        ),
        work_limit=wiring.work_limit,
    )
    # A response as it is: FastAPI would check a dictionary against its annotation, on a thread of its own.
    wire: Wire = {"errors": [], "taskid": str(task.id), "socketaccesstoken": task.token, "result": True}
    return JSONResponse(wire)
