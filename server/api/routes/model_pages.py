"""GET /models and /models/{owner}/{name}: what can be drawn here, as pages."""

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from server.api.pages import PAGES, page, site_of
from server.api.wiring import Wired

router = APIRouter(tags=[PAGES])


@router.get("/")
def front(request: Request, wiring: Wired) -> Response:
    """Lead to the models."""
    return RedirectResponse(f"{site_of(request, wiring).root}/models", 307)


@router.get("/models")
def models(request: Request, wiring: Wired) -> Response:
    """Return the page of all models."""
    return page(request, wiring, "models.html", section="Models", cards=list(wiring.catalogue))
