"""Where clients reach this server, as absolute URLs need it."""

import re
from typing import Final

from fastapi import Request

_HOST: Final = re.compile(r"[A-Za-z0-9._-]{1,255}(?::[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](?::[0-9]{1,5})?")


def base_url(request: Request, public_url: str) -> str:
    """Return the configured public URL, or the one this request was sent to, without a trailing slash.

    The Host headers are a client's word, good enough for the URLs of its own task: one that is no host name gives way
    to the address the server listens on.
    """
    if public_url:
        return public_url.rstrip("/")
    forwarded = request.headers.get("x-forwarded-host", "").partition(",")[0].strip()
    host = forwarded or request.headers.get("host", "")
    if not _HOST.fullmatch(host):
        name, port = request.scope.get("server") or ("127.0.0.1", 80)
        host = f"{name}:{port}"
    return f"{request.url.scheme}://{host}"
