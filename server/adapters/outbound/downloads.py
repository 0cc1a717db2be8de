"""Fetching files from URLs that clients give."""

import zlib
from collections.abc import Iterator
from typing import IO, Final
from urllib.parse import urljoin

from server.adapters.outbound.exchange import Caller, Request, Response
from server.adapters.outbound.guard import Deadline, Guard
from server.domain.outbound import NoAnswer, Refused
from server.ports.files import Fetched

DEADLINE_SECONDS: Final = 60.0

_HOPS: Final = 3
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_OK: Final = 200
_CHUNK: Final = 1 << 16
_HEADERS: Final = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "easel"}
_GZIP_OR_ZLIB: Final = 47


class HttpDownloads:
    """`Downloads` over real connections. All hops together have `seconds`."""

    def __init__(self, guard: Guard, caller: Caller, seconds: float = DEADLINE_SECONDS) -> None:
        self._guard = guard
        self._caller = caller
        self._seconds = seconds

    def fetch(self, url: str, limit_bytes: int, into: IO[bytes]) -> Fetched:
        """See `Downloads.fetch`. The limit counts decoded bytes: a small answer may unpack to a large file."""
        deadline = Deadline(self._seconds)
        for _ in range(_HOPS + 1):
            checked = self._guard.check(url, deadline)
            with self._caller.open(checked, Request(method="GET", headers=_HEADERS), deadline) as response:
                location = response.headers.get("location", "")
                if response.status in _REDIRECTS and location:
                    url = _follow(url, location)
                    continue
                if response.status != _OK:
                    raise NoAnswer(f"its server answered {response.status} instead of a file")
                size = _copy(_decoded(response, limit_bytes), limit_bytes, into)
                return Fetched(size=size, content_type=response.headers.get("content-type", ""), url=url)
        raise NoAnswer(f"it redirects more than {_HOPS} times")


def _follow(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError:
        raise NoAnswer("it redirects to something that is no URL") from None


def _copy(chunks: Iterator[bytes], limit_bytes: int, into: IO[bytes]) -> int:
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > limit_bytes:
            raise _too_large(limit_bytes)
        into.write(chunk)
    return size


def _decoded(response: Response, limit_bytes: int) -> Iterator[bytes]:
    if response.headers.get("content-length", "").isdigit() and int(response.headers["content-length"]) > limit_bytes:
        raise _too_large(limit_bytes)
    match response.headers.get("content-encoding", "identity").strip().lower():
        case "identity" | "":
            return response.chunks
        case "gzip" | "x-gzip" | "deflate":
            return _inflated(response.chunks)
        case _:
            raise NoAnswer("its server packs it in a way that was not asked for")


def _inflated(chunks: Iterator[bytes]) -> Iterator[bytes]:
    unpacker = zlib.decompressobj(_GZIP_OR_ZLIB)
    for chunk in chunks:
        packed = chunk
        while packed:
            try:
                yield unpacker.decompress(packed, _CHUNK)
            except zlib.error:
                raise NoAnswer("its server packed it wrongly") from None
            packed = unpacker.unconsumed_tail
    if not unpacker.eof:
        raise NoAnswer("the answer broke off")


def _too_large(limit_bytes: int) -> Refused:
    return Refused(f"the file is larger than {limit_bytes} bytes; give a smaller one", for_good=True)
