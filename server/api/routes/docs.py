"""GET /openapi.json and /docs: the whole API as a document and as a page. Open to all."""

from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from server.api.base_url import base_url
from server.api.openapi.document import api_document
from server.api.page.page import page_html, style
from server.api.wire import Wire
from server.api.wiring import Wired

router = APIRouter()

# Nothing but the page's own style, and nothing from elsewhere: the page has no script to let in.
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


@router.get("/openapi.json")
def document(request: Request, wiring: Wired) -> Wire:
    """Return the OpenAPI document."""
    return api_document(wiring.catalogue, base_url(request, wiring.public_url))


@router.get("/docs")
def page(request: Request, wiring: Wired) -> Response:
    """Return the document as a page."""
    base = base_url(request, wiring.public_url)
    return HTMLResponse(page_html(api_document(wiring.catalogue, base)), headers=_HEADERS)


@router.get("/docs/page.css")
def stylesheet() -> Response:
    """Return the page's style."""
    return Response(style(), media_type="text/css", headers=_HEADERS)
