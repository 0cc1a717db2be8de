"""Forgiving what is asked carelessly: doubled and trailing slashes, and HEAD of what answers GET."""

import re

from starlette.types import ASGIApp, Receive, Scope, Send

_SLASHES = re.compile("/{2,}")
_FILES = "/v1/File/"


class ForgivingPaths:
    """Collapses doubled slashes and drops a trailing one: a redirect would lose a POST's body on the way."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on under its tidy path."""
        if scope["type"] in {"http", "websocket"}:
            path = _SLASHES.sub("/", scope["path"])
            scope["path"] = path.rstrip("/") or "/"
        await self._app(scope, receive, send)


class Heads:
    """Lets HEAD be answered as GET, as monitors and checkers of links expect; the server leaves the body away.

    But not that of a file, whose own route need not open it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; the server's own scope goes on saying HEAD."""
        if scope["type"] == "http" and scope["method"] == "HEAD" and not scope["path"].startswith(_FILES):
            scope = {**scope, "method": "GET"}
        await self._app(scope, receive, send)
