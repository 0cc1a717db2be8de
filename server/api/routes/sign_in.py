"""GET /sign-in and POST /sign-in/redeem: how a browser comes by a key. No cookie: calls prove themselves."""

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from server.api.body import Body
from server.api.pages import PAGES, page
from server.api.wiring import Wired
from server.domain.errors import BadRequest

router = APIRouter(tags=[PAGES])

_NONE = "This server makes no sign-in links. Sign in with the API key and secret."


@router.get("/sign-in")
def form(request: Request, wiring: Wired) -> Response:
    """Return the page."""
    return page(request, wiring, "sign_in.html", section="")


@router.post("/sign-in/redeem")
def redeem(body: Body, wiring: Wired) -> Response:
    """Return what a one-time link is worth, once. Raises BadRequest."""
    if wiring.sign_in is None:
        raise BadRequest(_NONE)
    code = body.get("code")
    made = wiring.sign_in.redeem(code if isinstance(code, str) else "")
    found = {"name": made.name, "apiKey": made.api_key, "apiSecret": made.api_secret}
    return JSONResponse({"result": True, "errors": [], **found}, headers={"Cache-Control": "no-store"})
