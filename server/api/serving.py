"""Running the application on uvicorn, set up so that every Wiro client gets through."""

import asyncio
import math
import socket
from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Any, Final, cast

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn._types import ASGISendEvent
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State

_MAX_MESSAGE: Final = 64 * 1024
_GOODBYE_SECONDS: Final = 3
_PING_SECONDS: Final = 50
"""Between pings of a websocket: well within the minute after which proxies drop a silent connection."""
_PONG_SECONDS: Final = 30
_REST_SECONDS: Final = 5
"""For a client to read the answer to a request whose body it goes on sending, or does not."""
_KEEP_ALIVE_SECONDS: Final = 150
"""Longer than what keeps connections for the next request: proxies do for a minute or two, clients for less. Whoever
closes first must not be the server: a request that is on its way then is lost, and nobody sends a Run again."""


class _PatientH11(H11Protocol):
    """Takes only a GET for a websocket.

    Java's HTTP client sends `Upgrade: h2c` with its POSTs, and some proxies `Upgrade: websocket`; such a request is
    answered as if the header weren't there, its body intact (trap 6: httptools would lose it).

    A head must come within `head_seconds`: uvicorn itself waits for one for ever, be it the first of a connection that
    says nothing or a later one that comes in drops.
    """

    def __init__(self, *args: Any, head_seconds: float, **options: Any) -> None:
        super().__init__(*args, **options)
        self._head_seconds = head_seconds
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]  as its base has it
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_head()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.conn.their_state is h11.SEND_BODY and not self.transport.is_closing():
            # Answered before the body had come: there is no next request on this connection, and no hurry to end it.
            self._unset_keepalive_if_required()
            self.timeout_keep_alive_task = self.loop.call_later(_REST_SECONDS, self.timeout_keep_alive_handler)

    def _await_head(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            self._forget_head()
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(self._head_seconds, self._give_up)

    def _forget_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        self._head_timer = None
        self.timeout_keep_alive_handler()

    def _should_upgrade(self) -> bool:
        return self.scope["method"] == "GET" and super()._should_upgrade()


@lru_cache(maxsize=32)
def _framed(text: str) -> bytes:
    """Return a text as a server sends it: unmasked, so these bytes are every socket's that is told the same."""
    return Frame(Opcode.TEXT, text.encode()).serialize(mask=False)


class _Websocket(WebSocketsSansIOProtocol):
    """Tells the same to a thousand sockets for the price of making it once."""

    async def send(self, message: ASGISendEvent) -> None:
        text = message.get("text")
        if message["type"] != "websocket.send" or text is None or self.conn.extensions:
            return await super().send(message)
        await self.writable.wait()
        if self.disconnected or self.close_sent or self.conn.state is not State.OPEN:
            return await super().send(message)  # it knows what to say to that
        self.transport.write(_framed(text))
        return None

    def schedule_ping(self) -> None:
        # In the same moment of a second as all the others: to wake up for each costs more than to send it.
        assert self.ping_interval is not None
        at = math.ceil(self.loop.time() + self.ping_interval)
        self.ping_timer = self.loop.call_at(at, self.send_keepalive_ping)


def make_server(
    app: FastAPI, host: str, port: int, trusted_proxies: Sequence[str] = (), head_seconds: float = 30.0
) -> uvicorn.Server:
    """Return a server, not yet listening. X-Forwarded-For and -Proto are believed of `trusted_proxies` alone."""
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=cast("type[asyncio.Protocol]", partial(_PatientH11, head_seconds=head_seconds)),
        ws=_Websocket,
        ws_max_size=_MAX_MESSAGE,
        # Compression costs four times the memory and twice the CPU per socket, for frames of a few hundred bytes.
        ws_per_message_deflate=False,
        ws_ping_interval=_PING_SECONDS,
        ws_ping_timeout=_PONG_SECONDS,
        forwarded_allow_ips=list(trusted_proxies),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_GOODBYE_SECONDS,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
    )
    return uvicorn.Server(config)


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; port 0 takes a free one. Raises OSError when the address can't be had."""
    # Named as TCP: asyncio sets TCP_NODELAY on nothing else, and without it every answer takes 40 ms longer.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(1024)
    except OSError:
        listener.close()
        raise
    return listener
