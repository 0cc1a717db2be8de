"""GET /v1/File/{access key}/{name}: outputs, public under an unguessable address."""

from collections.abc import Iterator
from typing import IO

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from server.api.errors import envelope
from server.api.wiring import Wired

router = APIRouter()

_CHUNK = 1 << 16

# Pages of other origins show these (trap 29); a browser runs nothing it finds in them.
_HEADERS = {
    "Access-Control-Allow-Origin": "*",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, max-age=31536000, immutable",
}


@router.head("/v1/File/{access_key}/{name}", include_in_schema=False)
@router.get("/v1/File/{access_key}/{name}")
def file(access_key: str, name: str, request: Request, wiring: Wired) -> Response:
    """Return the file, if both parts of its address are right."""
    # PostgreSQL takes no NUL, and no key has one.
    found = wiring.tasks.find_file(access_key) if access_key.isprintable() else None
    content = wiring.files.open(found.key) if found is not None and found.name == name else None
    if found is None or content is None:
        return JSONResponse(envelope("There is no such file; it may have been deleted."), 404)
    headers = {**_HEADERS, "Content-Length": str(found.size), "Content-Disposition": f'inline; filename="{found.name}"'}
    if request.method == "HEAD":  # nobody would read, and so close, the stream
        content.close()
        return Response(media_type=found.content_type, headers=headers)
    return StreamingResponse(_chunks(content), media_type=found.content_type, headers=headers)


def _chunks(content: IO[bytes]) -> Iterator[bytes]:
    with content:
        while chunk := content.read(_CHUNK):
            yield chunk
