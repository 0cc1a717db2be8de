"""Downloads over real sockets on loopback: redirects are followed, each hop is checked, decoded bytes are counted."""

import gzip
import io
import socket
import time
import zlib

import pytest

from server.adapters.outbound.downloads import HttpDownloads
from server.adapters.outbound.exchange import Caller
from server.adapters.outbound.guard import Guard
from server.domain.outbound import NoAnswer, Refused, parse_permits
from server.ports.files import Downloads, Fetched
from tests.integration.outbound.tls import CONTEXT
from tests.receivers import Flood, drips, receiving, says

NAMES = {"files.test": "127.0.0.1", "inside.test": "127.0.0.1"}


def downloads(seconds: float = 10) -> Downloads:
    """`files.test` is permitted; `inside.test`, on the same address, is not."""
    guard = Guard(parse_permits("files.test"), "EASEL_TRY", lambda host, _port: [NAMES.get(host, host)])
    return HttpDownloads(guard, Caller(CONTEXT), seconds)


def fetch(port: int, limit: int = 1000, seconds: float = 10) -> tuple[Fetched, bytes]:
    into = io.BytesIO()
    return downloads(seconds).fetch(f"http://files.test:{port}/a.png", limit, into), into.getvalue()


def sends(body: bytes, *headers: str):
    def answer(link: socket.socket, _number: int) -> None:
        head = "\r\n".join(["HTTP/1.1 200 OK", "Content-Type: image/png", *headers, "", ""])
        link.sendall(head.encode() + body)

    return answer


def test_a_file_comes_as_it_is():
    with receiving(sends(b"png" * 300, "Content-Length: 900")) as server:
        fetched, content = fetch(server.port)
    assert content == b"png" * 300
    assert fetched == Fetched(size=900, content_type="image/png", url=f"http://files.test:{server.port}/a.png")
    assert server.requests[0].line == "GET /a.png HTTP/1.1"
    assert server.requests[0].headers["accept-encoding"] == "identity"


def test_three_redirects_are_followed_and_the_fourth_is_not():
    def redirect(link: socket.socket, number: int) -> None:
        says(f"302 Found\nLocation: /hop-{number}")(link, 1)

    with receiving(redirect) as server, pytest.raises(NoAnswer, match="more than 3"):
        fetch(server.port)
    assert [request.line.split()[1] for request in server.requests] == ["/a.png", "/hop-1", "/hop-2", "/hop-3"]

    def almost(link: socket.socket, number: int) -> None:
        (redirect if number <= 3 else sends(b"x", "Content-Length: 1"))(link, number)

    with receiving(almost) as server:
        fetched, content = fetch(server.port)
    assert (content, fetched.url) == (b"x", f"http://files.test:{server.port}/hop-3")


@pytest.mark.parametrize(
    "location",
    [
        "http://inside.test:{port}/",
        "http://127.0.0.1:{port}/",
        "//inside.test:{port}/",
        "http://169.254.169.254/latest",
        "file:///etc/passwd",
        "http://files.test@inside.test:{port}/",
        "http://[::1",
    ],
)
def test_a_redirect_is_checked_like_the_first_address(location: str):
    with receiving(sends(b"secret", "Content-Length: 6")) as inside:
        with receiving(says(f"302 Found\nLocation: {location.format(port=inside.port)}")) as server:
            with pytest.raises((Refused, NoAnswer)):
                fetch(server.port)
            assert len(server.requests) == 1
        assert inside.connections == 0


@pytest.mark.parametrize("announced", [["Content-Length: 5000"], []])
def test_a_file_that_is_too_large(announced: list[str]):
    with receiving(sends(b"x" * 5000, *announced)) as server, pytest.raises(Refused, match="larger than 1000 bytes"):
        fetch(server.port)


def test_a_flood_is_cut_off():
    flood = Flood()
    with receiving(flood) as server:
        with pytest.raises(Refused):
            fetch(server.port)
        assert flood.over.wait(10)
    assert flood.sent < 20_000_000


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_decoded_bytes_count(encoding: str):
    pack = gzip.compress if encoding == "gzip" else zlib.compress
    for size in (900, 50_000_000):
        packed = pack(b"\0" * size)
        with receiving(sends(packed, f"Content-Encoding: {encoding}", f"Content-Length: {len(packed)}")) as server:
            if size < 1000:
                assert fetch(server.port)[1] == b"\0" * size
            else:
                with pytest.raises(Refused, match="larger than 100000 bytes"):
                    fetch(server.port, limit=100_000)


@pytest.mark.parametrize(
    "answer",
    [
        sends(b"short", "Content-Length: 900"),
        sends(gzip.compress(b"x" * 500)[:-9], "Content-Encoding: gzip"),
        sends(b"no gzip", "Content-Encoding: gzip"),
        sends(b"x", "Content-Encoding: br", "Content-Length: 1"),
        says("404 Not Found"),
        says("302 Found"),
        says("204 No Content"),
    ],
    ids=["cut off", "gzip cut off", "no gzip", "brotli", "missing", "redirect to nowhere", "empty"],
)
def test_what_is_no_file(answer):
    with receiving(answer) as server, pytest.raises(NoAnswer):
        fetch(server.port)


def test_a_body_that_drips_ends_with_the_deadline():
    with receiving(drips(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n")) as server:
        start = time.monotonic()
        with pytest.raises(NoAnswer):
            fetch(server.port, seconds=0.6)
        assert time.monotonic() - start < 5
