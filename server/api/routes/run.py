"""POST /v1/Run/{owner}/{model}."""

from fastapi import APIRouter, Request

from server.api.base_url import base_url
from server.api.body import Body
from server.api.caller import Caller
from server.api.wire import Wire
from server.api.wiring import Wired
from server.services.submit import submit

router = APIRouter()


@router.post("/v1/Run/{owner}/{model}")
def run(owner: str, model: str, request: Request, caller: Caller, body: Body, wiring: Wired) -> Wire:
    """Queue a task; answers at once with its id and token."""
    task = submit(
        wiring.tasks,
        wiring.wakeups,
        wiring.catalogue,
        wiring.screen,
        project_id=caller.id,
        owner=owner,
        name=model,
        parameters=body,
        base_url=base_url(request, wiring.public_url),
    )
    return {"errors": [], "taskid": str(task.id), "socketaccesstoken": task.token, "result": True}
