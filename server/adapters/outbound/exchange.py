"""One HTTP/1.1 request to a checked address, all of it under one deadline. No redirects, proxies, cookies or reuse.

h11 speaks the protocol and this module owns the socket: so the address is the checked one, TLS still checks the name,
and no drip of bytes can draw an answer out.
"""

import contextlib
import socket
import ssl
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, TypeAlias

import h11

from server.adapters.outbound.guard import Checked, Deadline
from server.domain.outbound import NoAnswer

Connect: TypeAlias = Callable[[str, int, float], socket.socket]
"""Opens a TCP connection to an address and port within so many seconds. Raises OSError."""

_CONNECT_SECONDS: Final = 5.0
_TRIED_ADDRESSES: Final = 3
_CHUNK: Final = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to send; Host, Connection and Content-Length come by themselves."""

    method: str
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Response:
    """The head of an answer, and its body as it comes. `chunks` raises NoAnswer when time is up."""

    status: int
    headers: Mapping[str, str]
    chunks: Iterator[bytes]


def connect_tcp(address: str, port: int, seconds: float) -> socket.socket:
    """Connect to an address that needs no looking up."""
    return socket.create_connection((address, port), timeout=seconds)


class Caller:
    """Opens exchanges. `context` says whom TLS trusts, and always checks the name."""

    def __init__(self, context: ssl.SSLContext | None = None, connect: Connect = connect_tcp) -> None:
        self._context = context or ssl.create_default_context()
        self._connect = connect

    @contextmanager
    def open(self, checked: Checked, request: Request, deadline: Deadline) -> Generator[Response]:
        """Send a request and yield the answer; the connection closes with the block. Raises NoAnswer."""
        with self._socket(checked, deadline) as link:
            connection = h11.Connection(h11.CLIENT)
            events = _events(connection, link, deadline)
            try:
                _send(connection, link, deadline, checked.target.authority, checked.target.path, request)
                head = next(event for event in events if isinstance(event, h11.Response))
            except (h11.RemoteProtocolError, StopIteration):
                raise NoAnswer("what answers there does not speak HTTP") from None
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers}
            yield Response(head.status_code, headers, _chunks(events))

    @contextmanager
    def _socket(self, checked: Checked, deadline: Deadline) -> Generator[socket.socket]:
        plain = _first(self._connect, checked.addresses, checked.target.port, deadline)
        with plain:
            if checked.target.scheme == "http":
                yield plain
                return
            plain.settimeout(deadline.left())
            with _plainly(deadline):
                secure = self._context.wrap_socket(plain, server_hostname=checked.target.host.rstrip("."))
            with secure:
                yield secure


def _first(connect: Connect, addresses: Sequence[str], port: int, deadline: Deadline) -> socket.socket:
    *early, last = addresses[:_TRIED_ADDRESSES]
    for address in early:
        with contextlib.suppress(OSError):
            return connect(address, port, min(_CONNECT_SECONDS, deadline.left()))
    with _plainly(deadline):
        return connect(last, port, deadline.left())


def _send(
    connection: h11.Connection, link: socket.socket, deadline: Deadline, host: str, path: str, request: Request
) -> None:
    headers = {"Host": host, "Connection": "close", **request.headers}
    if request.body:
        headers["Content-Length"] = str(len(request.body))
    parts = (
        connection.send(h11.Request(method=request.method, target=path, headers=list(headers.items()))),
        connection.send(h11.Data(data=request.body)) if request.body else b"",
        connection.send(h11.EndOfMessage()),
    )
    unsent = memoryview(b"".join(part or b"" for part in parts))
    with _plainly(deadline):
        try:
            while unsent:
                link.settimeout(deadline.left())
                unsent = unsent[link.send(unsent[:_CHUNK]) :]
        except (BrokenPipeError, ConnectionResetError):
            return  # it may have answered before it had read all


def _events(connection: h11.Connection, link: socket.socket, deadline: Deadline) -> Iterator[h11.Event]:
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            with _plainly(deadline):
                link.settimeout(deadline.left())
                connection.receive_data(link.recv(_CHUNK))
        elif event is h11.PAUSED or isinstance(event, h11.EndOfMessage | h11.ConnectionClosed):
            return
        elif isinstance(event, h11.Event):
            yield event


def _chunks(events: Iterator[h11.Event]) -> Iterator[bytes]:
    try:
        for event in events:
            if isinstance(event, h11.Data):
                yield bytes(event.data)
    except h11.RemoteProtocolError:
        raise NoAnswer("the answer broke off") from None


@contextmanager
def _plainly(deadline: Deadline) -> Generator[None]:
    """Turn what sockets raise into one plain reason; what the other side said is not repeated."""
    try:
        yield
    except TimeoutError:
        deadline.left()
        raise NoAnswer("the connection could not be made in time") from None
    except ssl.SSLCertVerificationError as error:
        raise NoAnswer(f"its TLS certificate is not accepted: {error.verify_message}") from None
    except ssl.SSLError:
        raise NoAnswer("what answers there does not speak TLS as it should") from None
    except ConnectionRefusedError:
        raise NoAnswer("nothing listens there: the connection was refused") from None
    except OSError as error:
        raise NoAnswer(f"the connection failed: {error.strerror or type(error).__name__}") from None
