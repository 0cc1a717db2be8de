"""Forgiving paths: clients that join base and path carelessly send doubled and trailing slashes."""

import re

from starlette.types import ASGIApp, Receive, Scope, Send

_SLASHES = re.compile("/{2,}")


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
