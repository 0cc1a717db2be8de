"""Many websocket clients on bare asyncio protocols: they register, count frames and note when each came."""

import asyncio
import json
import time
from collections.abc import Sequence
from typing import Final, cast

_HANDSHAKE: Final = (
    b"GET /v1 HTTP/1.1\r\nhost: 127.0.0.1\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
_TEXT: Final = 0x81
_PING: Final = 0x89
_PONG: Final = 0x8A
_MASKED: Final = 0x80
_SHORT: Final = 125
_TWO_BYTES: Final = 126
_AT_ONCE: Final = 100
_PATIENCE: Final = 120.0


class Crowd:
    """Sockets that wait together for frames."""

    def __init__(self) -> None:
        self.arrivals: list[float] = []
        self.frames: list[bytes] = []
        self.keep = False
        self._wanted = 0
        self._done: asyncio.Future[None] | None = None
        self._members: list[Member] = []

    async def join(self, port: int, count: int) -> None:
        """Open `count` more sockets and wait until each has been welcomed."""
        loop = asyncio.get_running_loop()
        for first in range(0, count, _AT_ONCE):
            some = min(_AT_ONCE, count - first)
            welcomed = self.expect(some)
            pairs = [loop.create_connection(lambda: Member(self), "127.0.0.1", port) for _ in range(some)]
            self._members += [member for _, member in await asyncio.gather(*pairs)]
            await welcomed.wait()

    def register(self, token: str) -> None:
        """Let all of them follow a task."""
        message = text_frame(json.dumps({"type": "task_info", "tasktoken": token}).encode())
        for member in self._members:
            member.write(message)

    def expect(self, frames: int) -> "Expected":
        """Begin to wait for so many frames, of all members together; call it before they can come."""
        self.arrivals, self.frames, self._wanted = [], [], frames
        self._done = asyncio.get_running_loop().create_future()
        return Expected(self._done)

    def arrived(self, frames: Sequence[bytes]) -> None:
        """Note frames that have come at once."""
        now = time.time()
        self.arrivals += [now] * len(frames)
        if self.keep:
            self.frames += frames
        if self._done is not None and len(self.arrivals) >= self._wanted and not self._done.done():
            self._done.set_result(None)

    def lost(self) -> None:
        """Fail whoever waits: a socket was closed."""
        if self._done is not None and not self._done.done():
            self._done.set_exception(RuntimeError("the server closed a socket"))

    def leave(self) -> None:
        """Close every socket."""
        self._done = None
        for member in self._members:
            member.leave()
        self._members = []


class Expected:
    """Frames that are waited for."""

    def __init__(self, done: "asyncio.Future[None]") -> None:
        self._done = done

    async def wait(self) -> None:
        """Return when they have come."""
        await asyncio.wait_for(self._done, _PATIENCE)


class Member(asyncio.Protocol):
    """One client."""

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self._buffer = b""
        self._open = False
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for a websocket."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(_HANDSHAKE)

    def data_received(self, data: bytes) -> None:
        """Take what came apart into frames."""
        self._buffer += data
        if not self._open:
            head, found, rest = self._buffer.partition(b"\r\n\r\n")
            if not found:
                return
            if not head.startswith(b"HTTP/1.1 101"):
                raise RuntimeError(f"no websocket: {head[:60]!r}")
            self._open, self._buffer = True, rest
        frames, pings, self._buffer = split_frames(self._buffer)
        for ping in pings:  # who answers none is taken for dead
            self.write(control_frame(_PONG, ping))
        if frames:
            self._crowd.arrived(frames)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the crowd."""
        del exc
        self._crowd.lost()

    def write(self, data: bytes) -> None:
        """Send bytes."""
        assert self._transport is not None
        self._transport.write(data)

    def leave(self) -> None:
        """Go without a word."""
        assert self._transport is not None
        self._transport.abort()


def split_frames(buffer: bytes) -> tuple[list[bytes], list[bytes], bytes]:
    """Return the payloads of the text frames and of the pings that are whole, and what is left."""
    found: dict[int, list[bytes]] = {_TEXT: [], _PING: []}
    while len(buffer) >= 2:  # noqa: PLR2004 the shortest frame
        size, start = buffer[1] & 0x7F, 2
        if size == _TWO_BYTES:
            size, start = int.from_bytes(buffer[2:4], "big"), 4
        if len(buffer) < start + size:
            break
        found.setdefault(buffer[0], []).append(buffer[start : start + size])
        buffer = buffer[start + size :]
    return found[_TEXT], found[_PING], buffer


def control_frame(opcode: int, payload: bytes) -> bytes:
    """Return a control frame as a client sends it."""
    return bytes([opcode, _MASKED | len(payload)]) + b"\0\0\0\0" + payload


def text_frame(payload: bytes, *, masked: bool = True) -> bytes:
    """Return a text frame; masked by zeros, which the protocol allows."""
    mask = _MASKED if masked else 0
    size = len(payload)
    length = bytes([mask | size]) if size <= _SHORT else bytes([mask | _TWO_BYTES]) + size.to_bytes(2, "big")
    return bytes([_TEXT]) + length + (b"\0\0\0\0" if masked else b"") + payload
