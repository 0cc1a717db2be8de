"""A load generator for HTTP: the same request again and again over kept connections, on a bare asyncio protocol."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, cast

_PATIENCE: Final = 120.0


@dataclass(frozen=True, slots=True)
class Load:
    """What a load did: seconds of each request, and of the whole."""

    latencies: Sequence[float]
    seconds: float


@dataclass(slots=True)
class _Rounds:
    """The requests that are still to be sent, by whichever connection is free."""

    request: bytes
    left: int
    done: asyncio.Future[None]
    open: int = 0
    latencies: list[float] = field(default_factory=list)


def request_bytes(method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """Return a request as it goes over the wire."""
    lines = [f"{method} {path} HTTP/1.1", "host: 127.0.0.1", *(f"{name}: {value}" for name, value in headers.items())]
    if method != "GET":
        lines += ["content-type: application/json", f"content-length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


class _Connection(asyncio.Protocol):
    def __init__(self, rounds: _Rounds) -> None:
        self._rounds = rounds
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self._sent = 0.0
        self._over = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._rounds.open += 1
        self._next()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found or len(body) < _length(head):
            return
        if not head.startswith(b"HTTP/1.1 200") or b'"result":false' in body:
            self._fail(f"the server answered {head[:40]!r} {body[:200]!r}")
            return
        self._rounds.latencies.append(time.perf_counter() - self._sent)
        self._buffer = b""
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if not self._over:
            self._fail("the server closed a connection")

    def _next(self) -> None:
        assert self._transport is not None
        rounds = self._rounds
        if rounds.left:
            rounds.left -= 1
            self._sent = time.perf_counter()
            self._transport.write(rounds.request)
            return
        self._over = True
        rounds.open -= 1
        if not rounds.open and not rounds.done.done():
            rounds.done.set_result(None)
        self._transport.abort()

    def _fail(self, why: str) -> None:
        if not self._rounds.done.done():
            self._rounds.done.set_exception(RuntimeError(why))


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    raise RuntimeError("an answer without a length")


async def hammer(port: int, request: bytes, count: int, connections: int) -> Load:
    """Send the request `count` times over so many connections, each one's next when its last was answered."""
    loop = asyncio.get_running_loop()
    rounds = _Rounds(request, count, loop.create_future())
    start = time.perf_counter()
    make: Callable[[], _Connection] = lambda: _Connection(rounds)  # noqa: E731 a factory
    rounds.open += 1  # held until all are connected: the first may have done everything before the last one is there
    for _ in range(connections):
        await loop.create_connection(make, "127.0.0.1", port)
    rounds.open -= 1
    if rounds.open:
        await asyncio.wait_for(rounds.done, _PATIENCE)
    return Load(rounds.latencies, time.perf_counter() - start)
