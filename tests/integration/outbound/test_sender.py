"""Sending webhooks over real sockets on loopback, which the setting permits here."""

import time

import pytest

from server.adapters.outbound.exchange import Caller
from server.adapters.outbound.guard import Guard
from server.adapters.outbound.sender import HttpWebhookSender
from server.domain.outbound import NoAnswer, Permits, Refused, parse_permits
from tests.integration.outbound.tls import CONTEXT, secure_for
from tests.receivers import Flood, drips, hangs, receiving, says

SETTING = "EASEL_WEBHOOK_ALLOW"
LOOPBACK = parse_permits("127.0.0.0/8")
HEADERS = {"webhook-id": "msg_1"}


def sender(
    permits: Permits = LOOPBACK, *, seconds: float = 10, names: dict[str, str] | None = None
) -> HttpWebhookSender:
    known = names or {}
    guard = Guard(permits, SETTING, lambda host, _port: [known.get(host, host)])
    return HttpWebhookSender(guard, Caller(CONTEXT), seconds=seconds)


def test_a_receiver_gets_the_bytes_and_its_status_and_retry_after_come_back():
    with receiving(says("429 Slow down\nRetry-After: 17")) as receiver:
        answer = sender().send(receiver.url + "?a=%20b", HEADERS, b'{"id": "1"}')
    (request,) = receiver.requests
    assert (answer.status, answer.retry_after) == (429, "17")
    assert request.line == "POST /hook?a=%20b HTTP/1.1"
    assert request.body == b'{"id": "1"}'
    assert request.headers == {
        "host": f"127.0.0.1:{receiver.port}",
        "connection": "close",
        "content-type": "application/json",
        "accept": "*/*",
        "user-agent": "easel",
        "webhook-id": "msg_1",
        "content-length": "11",
    }


def test_a_name_is_kept_while_the_address_is_pinned():
    with receiving(says("204 No Content")) as receiver:
        url = f"http://backend.test:{receiver.port}/"
        assert (
            sender(parse_permits("backend.test"), names={"backend.test": "127.0.0.1"}).send(url, {}, b"{}").status
            == 204
        )
    assert receiver.requests[0].headers["host"] == f"backend.test:{receiver.port}"


def test_nothing_reaches_a_listening_port_on_loopback_without_permission():
    spellings = ("127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "[::1]", "0.0.0.0")
    unpermitted = HttpWebhookSender(Guard(Permits(), SETTING), Caller(CONTEXT))
    with receiving(says("200 OK")) as receiver:
        for host in spellings:
            with pytest.raises((Refused, NoAnswer)):
                unpermitted.send(f"http://{host}:{receiver.port}/", {}, b"{}")
    assert (receiver.connections, receiver.requests) == (0, [])


def test_environment_proxies_are_not_asked(monkeypatch: pytest.MonkeyPatch):
    with receiving(says("200 OK")) as proxy, receiving(says("200 OK")) as receiver:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "https_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        assert sender().send(receiver.url, {}, b"{}").status == 200
    assert proxy.connections == 0


def test_redirects_are_an_answer_like_any_other():
    with receiving(says("200 OK")) as secret:
        with receiving(says(f"302 Found\nLocation: {secret.url}")) as receiver:
            assert sender().send(receiver.url, {}, b"{}").status == 302
        assert secret.connections == 0


def test_a_receiver_that_is_down():
    with receiving(says("200 OK")) as receiver:
        pass
    with pytest.raises(NoAnswer, match="refused"):
        sender().send(receiver.url, {}, b"{}")


@pytest.mark.parametrize(
    "answering",
    [hangs, drips(b""), drips(b"HTTP/1.1 200 OK\r\nX-Slow: "), drips(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 ")],
    ids=["hangs", "drips", "drips a header", "drips after 100"],
)
def test_the_deadline_is_for_the_whole_exchange(answering):
    with receiving(answering) as receiver:
        start = time.monotonic()
        with pytest.raises(NoAnswer):
            sender(seconds=0.6).send(receiver.url, {}, b"{}")
        assert time.monotonic() - start < 5  # the receiver would go on for ever


def test_a_status_counts_though_its_body_drips_for_ever():
    with receiving(drips(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")) as receiver:
        start = time.monotonic()
        assert sender(seconds=0.6).send(receiver.url, {}, b"{}").status == 200
        assert time.monotonic() - start < 5


def test_of_ten_gigabytes_little_is_read():
    flood = Flood()
    with receiving(flood) as receiver:
        assert sender().send(receiver.url, {}, b"{}").status == 200
        assert flood.over.wait(10)
    assert flood.sent < 20_000_000  # what buffers on the way hold


@pytest.mark.parametrize(
    "junk",
    [b"SSH-2.0-OpenSSH_9.6\r\n\r\n", b"\x15\x03\x01\x00\x02", b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 50_000, b""],
)
def test_what_is_no_http_gives_no_answer(junk: bytes):
    with receiving(lambda link, _number: link.sendall(junk)) as receiver, pytest.raises(NoAnswer) as raised:
        sender(seconds=5).send(receiver.url, {}, b"{}")
    assert "OpenSSH" not in raised.value.message


def test_tls_checks_the_name_though_the_address_is_pinned():
    with receiving(says("200 OK"), wrap=secure_for("hooks.test")) as receiver:
        names = {"hooks.test": "127.0.0.1", "other.test": "127.0.0.1"}
        secure = sender(parse_permits("hooks.test,other.test"), names=names)
        assert secure.send(f"https://hooks.test:{receiver.port}/", {}, b"{}").status == 200
        with pytest.raises(NoAnswer, match="certificate"):
            secure.send(f"https://other.test:{receiver.port}/", {}, b"{}")
    assert len(receiver.requests) == 1


def test_a_certificate_nobody_vouches_for_is_not_accepted():
    with receiving(says("200 OK"), wrap=secure_for("hooks.test")) as receiver:
        stranger = HttpWebhookSender(
            Guard(parse_permits("hooks.test"), SETTING, lambda _host, _port: ["127.0.0.1"]), Caller()
        )
        with pytest.raises(NoAnswer, match="certificate"):
            stranger.send(f"https://hooks.test:{receiver.port}/", {}, b"{}")
    assert receiver.requests == []


def test_a_handshake_that_hangs():
    with receiving(hangs) as receiver, pytest.raises(NoAnswer):
        sender(seconds=0.6).send(f"https://127.0.0.1:{receiver.port}/", {}, b"{}")


def test_the_next_address_is_tried_when_one_is_down():
    with receiving(says("200 OK")) as receiver:
        twice = HttpWebhookSender(
            Guard(LOOPBACK, SETTING, lambda _host, _port: ["127.0.0.2", "127.0.0.1"]), Caller(CONTEXT)
        )
        assert twice.send(f"http://hooks.test:{receiver.port}/", {}, b"{}").status == 200
