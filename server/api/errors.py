"""Errors in Wiro's envelope, HTTP statuses other than 200 only where the wire contract has them; for browsers pages."""

import logging
import time

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from server.api.pages import message_page, wants_page
from server.domain.errors import EaselError, NotAuthorized, TooManyFailures, Unavailable

_log = logging.getLogger(__name__)

_RETRY_AFTER = {"Retry-After": "5"}


def envelope(message: str, code: int = 0) -> dict[str, object]:
    """Return Wiro's error body."""
    return {"result": False, "errors": [{"code": code, "message": message, "time": int(time.time())}]}


def install(app: FastAPI) -> None:
    """Install the handlers."""
    app.add_exception_handler(EaselError, _domain)
    app.add_exception_handler(HTTPException, _routing)
    app.add_exception_handler(Exception, _unforeseen)


def _domain(request: Request, error: Exception) -> Response:
    assert isinstance(error, EaselError)
    match error:
        case NotAuthorized():
            return JSONResponse(envelope(error.message, error.code), 401)
        case TooManyFailures():
            headers = {"Retry-After": str(error.wait)}
            return JSONResponse(envelope(error.message, error.code), 429, headers=headers)
        case Unavailable():
            _log.warning("%s", error)
            if wants_page(request):
                return message_page(request, "Out of reach", error.message, 503, _RETRY_AFTER)
            return JSONResponse(envelope(error.message, error.code), 503, headers=_RETRY_AFTER)
        case _:
            return JSONResponse(envelope(error.message, error.code))


def _routing(request: Request, _error: Exception) -> Response:
    if wants_page(request):
        return message_page(request, "Not found", "This server has no such page.", 404)
    return JSONResponse(envelope("Error parsing url."), 404)


def _unforeseen(request: Request, error: Exception) -> JSONResponse:
    _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    message = "Something went wrong in the server; its log says what. Try again, or tell the operator."
    return JSONResponse(envelope(message), 503, headers=_RETRY_AFTER)
