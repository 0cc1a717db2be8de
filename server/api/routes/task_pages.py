"""GET /tasks and /tasks/{id}: frames that the browser fills by calls of the API, which says what it may see."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from server.api.pages import PAGES, page
from server.api.wiring import Wired

router = APIRouter(tags=[PAGES])


@router.get("/tasks")
def history(request: Request, wiring: Wired) -> Response:
    """Return the page of a project's tasks."""
    return page(request, wiring, "tasks.html", section="Tasks", cards=list(wiring.catalogue))


@router.get("/tasks/{task_id}")
def task(task_id: str, request: Request, wiring: Wired) -> Response:
    """Return the page of one task: the same for every id, for nothing is looked up here."""
    return page(request, wiring, "task.html", section="Tasks", task_id=task_id)
