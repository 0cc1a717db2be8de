"""A websocket client that shows the frames as they are on the wire."""

import json
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

_HANDSHAKE = (
    "GET /v1 HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
)
_TEXT, _PING, _PONG = 0x81, 0x89, 0x8A
_MASKED = 0x80
_TWO_BYTES, _EIGHT_BYTES = 126, 127


@dataclass(frozen=True)
class WireFrame:
    first_byte: int
    payload: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.payload)


class RawSocket:
    def __init__(self, connection: socket.socket, stream: IO[bytes]) -> None:
        self._connection = connection
        self._stream = stream

    def send_text(self, text: str) -> None:
        self._send(_TEXT, text.encode())

    def ping(self, payload: bytes) -> None:
        self._send(_PING, payload)

    def pong(self, payload: bytes) -> None:
        self._send(_PONG, payload)

    def send_bytes(self, raw: bytes) -> None:
        self._connection.sendall(raw)

    def receive(self) -> WireFrame:
        first, length = self._stream.read(2)
        if length == _TWO_BYTES:
            [length] = struct.unpack("!H", self._stream.read(2))
        elif length == _EIGHT_BYTES:
            [length] = struct.unpack("!Q", self._stream.read(8))
        return WireFrame(first, self._stream.read(length))

    def _send(self, first_byte: int, payload: bytes) -> None:
        assert len(payload) < _TWO_BYTES
        self._connection.sendall(bytes([first_byte, _MASKED | len(payload), 0, 0, 0, 0]) + payload)


@contextmanager
def hold_raw_socket(port: int) -> Iterator[RawSocket]:
    """Shake hands, offering compression as browsers do."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection, connection.makefile("rb") as stream:
        connection.sendall(_HANDSHAKE.encode())
        assert stream.readline().startswith(b"HTTP/1.1 101")
        while stream.readline().strip():
            pass
        yield RawSocket(connection, stream)
