"""Around every request: its id, which its log lines and its answer bear, and its place in the figures."""

import re
import uuid
from collections.abc import Callable
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.api.metrics.meter import Meter
from server.domain.log_context import about

REQUEST_ID: Final = "x-request-id"
_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_UNMATCHED: Final = "unmatched"
_ABORTED: Final = "aborted"
"""In place of a status: the client went away before it was answered."""


class Telemetry:
    """Names, times and counts requests. A proxy's id is taken over where it is a plain one."""

    def __init__(self, app: ASGIApp, meter: Meter, monotonic: Callable[[], float]) -> None:
        self._app = app
        self._meter = meter
        self._monotonic = monotonic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        with about(request_id=request_id):
            if scope["type"] == "http":
                await self._timed(scope, receive, send, request_id)
            else:
                await self._app(scope, receive, send)

    async def _timed(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        began, status = self._monotonic(), _ABORTED

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
                MutableHeaders(scope=message)[REQUEST_ID] = request_id
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception:
            status = "503" if status == _ABORTED else status  # see `errors.install`
            raise
        finally:
            route = getattr(scope.get("route"), "path", _UNMATCHED)
            self._meter.answered(scope["method"], route, status, self._monotonic() - began)


def _request_id(scope: Scope) -> str:
    sent = next((value for name, value in scope["headers"] if name == REQUEST_ID.encode()), b"")
    return sent.decode() if _ID.fullmatch(sent) else uuid.uuid4().hex[:16]
