"""Every error in Wiro's envelope; HTTP statuses other than 200 only where the wire contract has them."""

import logging
import time

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

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


def _domain(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, EaselError)
    match error:
        case NotAuthorized():
            return JSONResponse(envelope(error.message, error.code), 401)
        case TooManyFailures():
            headers = {"Retry-After": str(error.wait)}
            return JSONResponse(envelope(error.message, error.code), 429, headers=headers)
        case Unavailable():
            _log.warning("%s", error)
            return JSONResponse(envelope(error.message, error.code), 503, headers=_RETRY_AFTER)
        case _:
            return JSONResponse(envelope(error.message, error.code))


def _routing(_request: Request, _error: Exception) -> JSONResponse:
    return JSONResponse(envelope("Error parsing url."), 404)


def _unforeseen(request: Request, error: Exception) -> JSONResponse:
    _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    message = "Something went wrong in the server; its log says what. Try again, or tell the operator."
    return JSONResponse(envelope(message), 503, headers=_RETRY_AFTER)
