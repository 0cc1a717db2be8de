"""GET /: the dashboard. The page itself holds nothing; it asks the project stream for what its visitor may see."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from server.api.pages import PAGES, page
from server.api.wiring import Wired

router = APIRouter(tags=[PAGES])


@router.get("/")
def dashboard(request: Request, wiring: Wired) -> Response:
    """Return the page."""
    return page(request, wiring, "dashboard.html", section="Dashboard")
