"""GET /v1/File/{access key}/{name}: outputs and uploads, public under an unguessable address."""

from collections.abc import Iterator
from typing import IO, Final
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from server.api.errors import envelope
from server.api.ranges import Span, Unsatisfiable, span_of
from server.api.wiring import Wired, Wiring
from server.domain.content_types import BY_ENDING, SHOWN, UNKNOWN
from server.domain.files import Upload
from server.domain.task import Output

router = APIRouter()

_CHUNK: Final = 1 << 16
_TYPES: Final = frozenset(BY_ENDING.values())
_MAX_HEADER: Final = 1000

# Pages of other origins show these (trap 29); a browser runs nothing it finds in them.
_HEADERS: Final = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Accept-Ranges, Content-Disposition, Content-Length, Content-Range, ETag",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, max-age=31536000, immutable",
    "Accept-Ranges": "bytes",
}


@router.head("/v1/File/{access_key}/{name}", include_in_schema=False)
@router.get("/v1/File/{access_key}/{name}")
def file(access_key: str, name: str, request: Request, wiring: Wired) -> Response:
    """Return the file, or one range of it, if both parts of its address are right."""
    found = _find(wiring, access_key, name)
    content = wiring.files.open(found.key) if found is not None else None
    if found is None or content is None:
        return JSONResponse(envelope("There is no such file; it may have been deleted."), 404)
    try:
        return _answer(request, found, content)
    except BaseException:
        content.close()
        raise


def _find(wiring: Wiring, access_key: str, name: str) -> Output | Upload | None:
    if not access_key.isprintable():  # PostgreSQL takes no NUL, and no key has one
        return None
    found = wiring.tasks.find_file(access_key) or wiring.uploads.find_upload(access_key)
    return found if found is not None and found.name == name else None


def _answer(request: Request, found: Output | Upload, content: IO[bytes]) -> Response:
    tag = f'"{found.sha256[:32]}"'
    kind = found.content_type if found.content_type in _TYPES else UNKNOWN
    headers = {**_HEADERS, "ETag": tag, "Content-Disposition": _disposition(kind, found.name)}
    if _names(request.headers.get("if-none-match"), tag):
        content.close()
        return Response(status_code=304, headers=headers)
    whole = Span(0, found.size - 1)
    headers["Content-Length"] = str(found.size)
    if request.method == "HEAD":  # nobody would read, and so close, the stream
        content.close()
        return Response(media_type=kind, headers=headers)
    try:
        span = _span(request, found.size, tag)
    except Unsatisfiable:
        content.close()
        headers |= {"Content-Range": f"bytes */{found.size}", "Content-Length": "0"}
        return Response(status_code=416, headers=headers)
    if span is None:
        return StreamingResponse(_chunks(content, whole), media_type=kind, headers=headers)
    headers |= {"Content-Range": f"bytes {span.first}-{span.last}/{found.size}", "Content-Length": str(span.size)}
    return StreamingResponse(_chunks(content, span), 206, media_type=kind, headers=headers)


def _span(request: Request, size: int, tag: str) -> Span | None:
    """Return the range wanted, unless the client's half is of another file."""
    condition = request.headers.get("if-range")
    if condition is not None and condition.strip() != tag:
        return None
    return span_of(request.headers.get("range"), size)


def _names(header: str | None, tag: str) -> bool:
    """Whether If-None-Match names the tag."""
    listed = (header or "")[:_MAX_HEADER].split(",")
    return any(each.strip().removeprefix("W/") in {tag, "*"} for each in listed)


def _disposition(kind: str, name: str) -> str:
    # HTML and SVG are in no table, so they come as unknown bytes to be saved.
    how = "inline" if kind in SHOWN else "attachment"
    plain = "".join(char if char.isascii() and char.isprintable() and char not in '"\\%' else "_" for char in name)
    extended = "" if plain == name else f"; filename*=UTF-8''{quote(name, safe='')}"
    return f'{how}; filename="{plain}"{extended}'


def _chunks(content: IO[bytes], span: Span) -> Iterator[bytes]:
    with content:
        content.seek(span.first)
        left = span.size
        while left > 0 and (chunk := content.read(min(_CHUNK, left))):
            left -= len(chunk)
            yield chunk
