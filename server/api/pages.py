"""Answers for people: a page of `server.web` with the headers that keep it safe and let browsers keep it."""

import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

from fastapi import Request
from fastapi.responses import HTMLResponse, Response

from server.api.base_url import base_url
from server.api.wiring import Wiring, wiring_of
from server.web.rendering import Site, render

PAGES: Final = "pages"
"""The tag of routes that are for people: no part of the API, and not in its document."""

_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})
SAFE: Final = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
# The page's own scripts, styles, pictures and calls; nothing inline, nothing from elsewhere, no HTML out of text.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self' {socket}; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
    "trusted-types 'none'"
)


def site_of(request: Request, wiring: Wiring) -> Site:
    """Return what all pages are told of this server."""
    base = base_url(request, wiring.public_url)
    return Site(base=base, root=urlsplit(base).path, blur=wiring.blur)


def page(request: Request, wiring: Wiring, template: str, /, *, status: int = 200, **values: object) -> Response:
    """Return the page of a template. It is asked for again each time, and sent again when it has changed."""
    site = site_of(request, wiring)
    text = render(template, site, **values)
    host = urlsplit(site.base)
    socket = f"{'wss' if host.scheme == 'https' else 'ws'}://{host.netloc}"
    headers = {"Content-Security-Policy": _POLICY.format(socket=socket), "Cache-Control": "no-cache", **SAFE}
    etag = f'"{hashlib.sha256(text.encode()).hexdigest()[:20]}"'
    return unchanged(request, etag, headers) or HTMLResponse(text, status, headers={**headers, "ETag": etag})


def wants_page(request: Request) -> bool:
    """Whether a browser asks for something to be read by people."""
    api = request.url.path.startswith("/v1/") or request.url.path == "/v1"
    return request.method == "GET" and not api and "text/html" in request.headers.get("accept", "")


def message_page(
    request: Request, title: str, message: str, status: int, headers: Mapping[str, str] = _NO_HEADERS
) -> Response:
    """Return a page that says why there is no other."""
    shown = page(request, wiring_of(request), "message.html", status=status, section="", heading=title, what=message)
    shown.headers.update(headers)
    return shown


def unchanged(request: Request, etag: str, headers: dict[str, str]) -> Response | None:
    """Return the answer to a browser that has it already, or None."""
    known = request.headers.get("if-none-match", "")
    if etag not in {part.strip().removeprefix("W/") for part in known.split(",")}:
        return None
    return Response(status_code=304, headers={**headers, "ETag": etag})
