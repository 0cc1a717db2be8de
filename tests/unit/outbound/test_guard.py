"""The guard against a corpus of addresses: nothing inside is ever connected to, and all that is outside is."""

import socket
import ssl
import threading
from collections.abc import Sequence

import pytest

from server.adapters.outbound.downloads import HttpDownloads
from server.adapters.outbound.exchange import Caller
from server.adapters.outbound.guard import Deadline, Guard
from server.adapters.outbound.sender import HttpWebhookSender
from server.domain.outbound import NoAnswer, Permits, Refused, parse_permits, parse_target
from tests.unit.outbound.corpus import LEADING_INSIDE, NAMES, URLS

SETTING = "EASEL_WEBHOOK_ALLOW"
TRUST = ssl.create_default_context()  # takes long to make
PUBLIC = "93.184.215.14"
NOTHING = Permits()


class Wire:
    """Records who would have been connected to; connects to nobody."""

    def __init__(self) -> None:
        self.connects: list[tuple[str, int]] = []

    def __call__(self, address: str, port: int, _seconds: float) -> socket.socket:
        self.connects.append((address, port))
        raise ConnectionRefusedError


def resolve(host: str, port: int) -> Sequence[str]:
    """Names from the table; numbers as the system reads them, without asking anybody."""
    name = host.rstrip(".")
    if name in NAMES:
        return NAMES[name]
    return [str(info[4][0]) for info in socket.getaddrinfo(host, port, flags=socket.AI_NUMERICHOST)]


def send(url: str, permits: Permits = NOTHING, resolver=resolve) -> tuple[Exception, list[tuple[str, int]]]:
    wire = Wire()
    sender = HttpWebhookSender(Guard(permits, SETTING, resolver), Caller(TRUST, connect=wire), seconds=5)
    with pytest.raises((Refused, NoAnswer)) as raised:
        sender.send(url, {}, b"{}")
    return raised.value, wire.connects


def test_the_corpus_is_large_enough():
    assert len(set(URLS)) >= 200


@pytest.mark.parametrize("url", URLS)
def test_nothing_inside_is_connected_to(url: str):
    error, connects = send(url)
    assert connects == []
    assert len(error.message) < 300


@pytest.mark.parametrize("url", URLS)
def test_nor_downloaded_from(url: str, tmp_path):
    wire = Wire()
    downloads = HttpDownloads(Guard(Permits(), SETTING, resolve), Caller(TRUST, connect=wire), seconds=5)
    with (tmp_path / "file").open("wb") as into, pytest.raises((Refused, NoAnswer)):
        downloads.fetch(url, 1000, into)
    assert wire.connects == []


@pytest.mark.parametrize(
    ("url", "port"),
    [
        ("http://public.test/hook?task=1", 80),
        ("https://public.test/", 443),
        ("HTTPS://Public.TEST:8443/ä?ö=ü#part", 8443),
        (f"http://{PUBLIC}:3000", 3000),
        ("http://public.test./", 80),
    ],
)
def test_what_is_outside_is_connected_to_by_its_address(url: str, port: int):
    error, connects = send(url)
    assert isinstance(error, NoAnswer)
    assert connects[0] == (PUBLIC, port)
    assert {address for address, _ in connects} <= set(NAMES["public.test"])


def test_an_address_outside_may_be_wrapped():
    assert send("http://[64:ff9b::5db8:d70e]/")[1] == [("64:ff9b::5db8:d70e", 80)]
    assert send("http://[2606:4700::1111]/")[1] == [("2606:4700::1111", 80)]


def test_a_name_that_is_looked_up_twice_gets_no_second_chance():
    """DNS rebinding: public for the check, private for the connection. There is one look-up, and it is connected to."""
    answers = iter([[PUBLIC], ["127.0.0.1"], [PUBLIC], ["10.0.0.1"]])

    def flip(_host: str, _port: int) -> list[str]:
        return next(answers)

    assert send("http://rebind.test/", resolver=flip)[1] == [(PUBLIC, 80)]
    error, connects = send("http://rebind.test/", resolver=flip)  # the next attempt is checked anew
    assert (type(error), connects) == (Refused, [])


def test_a_refusal_names_the_setting_that_permits_it():
    error, _ = send("http://Backend:3000/done", resolver=lambda _host, _port: ["172.18.0.5"])
    assert isinstance(error, Refused)
    assert error.message.endswith("EASEL_WEBHOOK_ALLOW=backend")
    assert error.permit == "backend"
    assert not error.for_good
    assert "172.18" not in error.message  # what a name resolves to inside is no client's business


@pytest.mark.parametrize(
    ("allow", "url"),
    [
        ("localhost", "http://localhost:3000/"),
        ("127.0.0.1", "http://127.0.0.1:3000/"),
        ("127.0.0.0/8", "http://0x7f.1:3000/"),
        ("10.0.0.0/8, Intranet.test", "https://intranet.test/"),
        ("10.0.0.0/8", "http://mixed.test/"),
        ("fd00::/8", "http://six.test/"),
        ("[::1]", "http://[::1]:3000/"),
        ("10.0.0.0/8", "http://[::ffff:10.0.0.5]/"),
    ],
)
def test_the_setting_permits_what_it_names(allow: str, url: str):
    error, connects = send(url, parse_permits(allow))
    assert isinstance(error, NoAnswer)
    assert connects


@pytest.mark.parametrize(
    ("allow", "url"),
    [
        ("localhost", "http://127.0.0.1:3000/"),
        ("10.0.0.0/8", "http://192.168.1.1/"),
        ("intranet.test", "http://sub.intranet.test.evil.test/"),
        ("0.0.0.0/0,::/0", "http://169.254.169.254/latest/meta-data/"),
        ("0.0.0.0/0,::/0", "http://[fd00:ec2::254]/"),
        ("0.0.0.0/0,::/0", "http://100.100.100.200/"),
        ("0.0.0.0/0,::/0", "http://[::ffff:169.254.169.254]/"),
        ("0.0.0.0/0,::/0", "http://[64:ff9b::a9fe:a9fe]/"),
        ("0.0.0.0/0,::/0", "http://0.0.0.0:3000/"),
        ("metadata.test", "http://metadata.test/"),
        ("0.0.0.0/0,::/0", "http://[2001:0:a00:1::1]/"),
    ],
)
def test_and_nothing_else(allow: str, url: str):
    assert send(url, parse_permits(allow))[1] == []


def test_easels_own_ports_stay_closed():
    permits = parse_permits("localhost,127.0.0.0/8,10.0.0.0/8,::1", own_ports=[8000, 5432])
    for url in (
        "http://localhost:8000/",
        "http://127.0.0.1:5432/",
        "http://[::ffff:127.0.0.1]:8000/",
        "http://[::1]:8000/",
    ):
        error, connects = send(url, permits)
        assert (type(error), connects) == (Refused, [])
    assert send("http://10.0.0.5:8000/", permits)[1] == [("10.0.0.5", 8000)]  # another machine's


def test_a_look_up_that_never_ends_is_left_behind():
    def never(_host: str, _port: int) -> list[str]:
        threading.Event().wait(30)
        return []

    guard = Guard(Permits(), SETTING, never)
    with pytest.raises(NoAnswer, match="within"):
        guard.check("http://public.test/", Deadline(0.2))


def test_targets_are_ascii_and_fit_a_request_line():
    target = parse_target("http://BÜCHER.test:8080/ä b".replace(" ", "") + "?x=[1]&y=%20")
    assert (target.host, target.authority) == ("xn--bcher-kva.test", "xn--bcher-kva.test:8080")
    assert target.path == "/%C3%A4b?x=%5B1%5D&y=%20"


@pytest.mark.parametrize("wrong", ["http://backend", "10.0.0.0/99", "a b", "back:3000"])
def test_a_permit_that_is_none(wrong: str):
    with pytest.raises(ValueError, match="^" + wrong.split("/", maxsplit=1)[0]):
        parse_permits(f"localhost,{wrong}")


def test_every_url_of_the_corpus_would_reach_somebody_without_the_guard():
    """The corpus proves something: most of its addresses do resolve."""
    resolved = 0
    for url in LEADING_INSIDE:
        try:
            target = parse_target(url)
            resolved += bool(resolve(target.host, target.port))
        except (Refused, OSError):
            continue
    assert resolved >= 150
