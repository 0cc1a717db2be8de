"""Receivers on loopback that misbehave: one thread per connection, raw bytes, everything noted."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

Answering: TypeAlias = Callable[[socket.socket, int], None]
"""Answers on a connection; the number counts the requests from 1 on."""


@dataclass
class Received:
    """A request as it came."""

    line: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """A listening port; `requests` is what came, `connections` how many were made."""

    port: int
    requests: list[Received] = field(default_factory=list)
    connections: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def ids(self) -> set[str]:
        return {request.headers["webhook-id"] for request in self.requests}


Wrap: TypeAlias = Callable[[socket.socket], socket.socket]


@contextmanager
def receiving(answer: Answering, wrap: Wrap = lambda link: link) -> Iterator[Receiver]:
    """Listen until the block ends."""
    listener = socket.create_server(("127.0.0.1", 0))
    receiver = Receiver(listener.getsockname()[1])

    def accept() -> None:
        while True:
            try:
                link, _ = listener.accept()
            except OSError:
                return
            receiver.connections += 1
            threading.Thread(target=_serve, args=(receiver, answer, wrap, link), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def _serve(receiver: Receiver, answer: Answering, wrap: Wrap, link: socket.socket) -> None:
    with contextlib.suppress(OSError), wrap(link) as wrapped:
        wrapped.settimeout(30)
        request = _read(wrapped)
        if request is not None:
            receiver.requests.append(request)
            answer(wrapped, len(receiver.requests))


def _read(link: socket.socket) -> Received | None:
    data = b""
    while b"\r\n\r\n" not in data:
        more = link.recv(65536)
        if not more:
            return None
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    line, *rest = head.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (row.partition(":") for row in rest)}
    while len(body) < int(headers.get("content-length", 0)):
        body += link.recv(65536)
    return Received(line, headers, body)


def says(*heads: str, body: str = "") -> Answering:
    """Answer with each of these status lines and headers in turn; the last one for ever."""

    def answer(link: socket.socket, number: int) -> None:
        head = heads[min(number, len(heads)) - 1].replace("\n", "\r\n")
        link.sendall(f"HTTP/1.1 {head}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())

    return answer


def hangs(link: socket.socket, _number: int) -> None:
    """Take the request and say nothing until the other side goes."""
    while link.recv(65536):
        pass


def drips(text: bytes) -> Answering:
    """Send `text`, then one byte at a time for as long as anybody listens."""

    def answer(link: socket.socket, _number: int) -> None:
        link.sendall(text)
        while True:
            link.sendall(b"x")
            time.sleep(0.05)

    return answer


class Flood:
    """Answers 200 with ten gigabytes, and counts how much of it went out."""

    def __init__(self) -> None:
        self.sent = 0
        self.over = threading.Event()

    def __call__(self, link: socket.socket, _number: int) -> None:
        try:
            link.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n")
            while True:
                self.sent += link.send(b"x" * 65536)
        finally:
            self.over.set()
