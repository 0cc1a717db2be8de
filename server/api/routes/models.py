"""GET /models/{owner}/{name}/…: a model's texts for language models, and its cover picture. Open to all."""

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response

from server.api.base_url import base_url
from server.api.cover import cover_png
from server.api.llms import llms_full_txt, llms_txt
from server.api.wiring import Wired

router = APIRouter(prefix="/models/{owner}/{name}")

_MISSING = "There is no such model. POST /v1/Tool/List names those there are.\n"
_COVER_HEADERS = {
    "Cache-Control": "public, max-age=86400",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "X-Content-Type-Options": "nosniff",
}


@router.get("/llms.txt")
def short(owner: str, name: str, request: Request, wiring: Wired) -> Response:
    """Return what a language model must know to run this model."""
    card = wiring.catalogue.find(owner, name)
    return _missing() if card is None else PlainTextResponse(llms_txt(card, base_url(request, wiring.public_url)))


@router.get("/llms-full.txt")
def full(owner: str, name: str, request: Request, wiring: Wired) -> Response:
    """Return the same, with every call and sample inputs."""
    card = wiring.catalogue.find(owner, name)
    return _missing() if card is None else PlainTextResponse(llms_full_txt(card, base_url(request, wiring.public_url)))


@router.get("/cover.png")
def cover(owner: str, name: str, wiring: Wired) -> Response:
    """Return the cover picture."""
    card = wiring.catalogue.find(owner, name)
    return _missing() if card is None else Response(cover_png(card), media_type="image/png", headers=_COVER_HEADERS)


def _missing() -> Response:
    return PlainTextResponse(_MISSING, 404)
