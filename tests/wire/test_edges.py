"""Bounds that no single parameter or message breaks: work, sockets, and heads that never come."""

import json
import re
import socket
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from models.catalogue import Catalogue
from models.parameters import check
from models.work import check_work
from server.api.body_stream import Pace
from server.api.sockets import OpenSockets, Patience, SocketLimits
from server.settings import Settings
from tests.serving import BODY
from tests.wire.porch import RUN, Porch, error_of, porch

TOP = {
    "prompt": "a woman at the edge of a lake",
    "samples": "4",
    "steps": "60",
    "scale": "4",
    "highNoiseFrac": "0.8",
    "stepsRefiner": "20",
    "seed": "9421808",
    "width": "1024",
    "height": "1024",
    "refiner": "/* refiner value */",
}
LARGEST = {"width": "2048", "height": "2048", "steps": "150", "samples": "8"}
LIMIT = Settings().work_limit


# ── the product of width, height, steps and samples ──────────────────────────────────────────────────────────────────
def accepted(easel: Porch, parameters: dict[str, object]) -> bool:
    answer = easel.post(RUN, {"prompt": "a lake", **parameters})
    if answer.json()["result"]:
        easel.post("Task/Cancel", {"taskid": answer.json()["taskid"]})
        return True
    assert error_of(answer)[1].startswith("Request parameters [width], [height], ")
    return False


def test_the_request_at_the_top_of_the_contract_is_taken(idle):
    assert accepted(idle, TOP)
    assert LIMIT > 2 * 1024 * 1024 * 60 * 4 / 1_000_000, "with room to spare"


def test_every_maximum_is_taken_beside_the_defaults():
    for card in Catalogue.load():
        for parameter in card.parameters:
            if parameter.maximum is not None:
                check_work(check(card, {"prompt": "a lake", parameter.id: parameter.maximum}), LIMIT)


@pytest.mark.parametrize(
    "sensible",
    [
        {"width": 2048, "height": 2048},
        {"width": 2048, "height": 2048, "steps": 150},
        {"width": 2048, "height": 2048, "samples": 8},
        {"steps": 150, "samples": 8},
    ],
)
def test_what_people_want_is_taken(idle, sensible):
    assert accepted(idle, sensible)


def test_too_much_at_once_is_refused_and_the_advice_is_good(idle):
    code, message = error_of(idle.post(RUN, {"prompt": "a lake", **LARGEST}))

    assert code == 0
    assert "2048 x 2048 x 150 x 8 is 5034 million pixel steps" in message
    assert f"at most {LIMIT} million. Lower [samples] to 3, or [steps] to 74, or [width] and [height]." in message
    for name, fits in re.findall(r"\[(\w+)\] to (\d+)", message):
        assert accepted(idle, {**LARGEST, name: fits})
        assert not accepted(idle, {**LARGEST, name: str(int(fits) + 1)})


def test_the_refiners_schedule_counts_where_it_is_longer(idle):
    longer = {**LARGEST, "steps": "1", "stepsRefiner": "150", "highNoiseFrac": "0.01"}

    assert "[stepsRefiner] to 74" in error_of(idle.post(RUN, {"prompt": "a lake", **longer}))[1]
    assert accepted(idle, {**longer, "refiner": "--only_base_model"})


def test_the_operator_says_how_much(tmp_path: Path):
    with porch(tmp_path, worker=False, work_limit=1) as easel:
        message = error_of(easel.post(RUN, {"prompt": "a lake", **LARGEST}))[1]
        assert message.endswith(" million. Lower [width] and [height].")
        assert accepted(easel, {"width": 64, "height": 64, "steps": 244, "samples": 1} | {"steps": 150})
    with porch(tmp_path / "boundless", worker=False, work_limit=0) as easel:
        assert accepted(easel, LARGEST)


# ── sockets ──────────────────────────────────────────────────────────────────────────────────────────────────────────
@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def register(connection, token=""):
    connection.send(json.dumps({"type": "task_info", "tasktoken": token}))


def test_a_socket_that_names_no_task_is_closed(tmp_path: Path):
    assert SocketLimits().register_seconds >= 60, "what the contract grants"
    limits = SocketLimits(register_seconds=0.5)
    with porch(tmp_path, worker=False, wired={"sockets": limits}) as easel:
        token = easel.run()["socketaccesstoken"]
        with easel.socket() as silent, easel.socket() as wrong, easel.socket() as registered:
            register(registered, token)
            register(wrong, "Z" * 30)
            for each in (silent, wrong):
                with pytest.raises(ConnectionClosed):
                    [each.recv(10) for _ in range(3)]
                assert each.close_code == 1008
            assert [json.loads(registered.recv(10))["type"] for _ in range(2)] == ["connected", "task_queue"]
            assert registered.ping().wait(10)


def test_an_address_may_have_so_many_sockets(tmp_path: Path):
    with porch(tmp_path, worker=False, sockets_per_address=2) as easel:
        with easel.socket() as one, easel.socket():
            with pytest.raises(InvalidStatus) as refused:
                easel.socket().close()
            assert refused.value.response.status_code == 429
            said = json.loads(refused.value.response.body)
            assert said["result"] is False
            assert "too many websockets" in said["errors"][0]["message"]
            with easel.socket(additional_headers={"X-Forwarded-For": "203.0.113.7"}) as another:
                assert json.loads(another.recv(10))["type"] == "connected"
            one.close()
            deadline = time.monotonic() + 20
            while True:  # the server hears of the end a moment later
                try:
                    with easel.socket() as again:
                        assert json.loads(again.recv(10))["type"] == "connected"
                    break
                except InvalidStatus:
                    assert time.monotonic() < deadline
        assert easel.post("Task/List", {}).json()["result"] is True


def test_open_sockets_are_counted_by_site():
    counted = OpenSockets(1)
    with counted.entered("2001:db8::1") as one, counted.entered("2001:db8::2") as two, counted.entered("::1") as other:
        assert (one, two, other) == (True, False, True)
    assert len(counted) == 0
    with OpenSockets(0).entered("") as any_number:
        assert any_number


def test_who_talks_too_fast_waits_and_nobody_else_does(tmp_path: Path):
    limits = SocketLimits(tokens=1, messages_per_second=0.05)
    with porch(tmp_path, worker=False, wired={"sockets": limits}) as easel:
        token = easel.run()["socketaccesstoken"]
        with easel.socket(close_timeout=0.2) as flood, easel.socket() as calm:
            for _ in range(40):
                register(flood)
            types = [json.loads(flood.recv(10))["type"] for _ in range(4)]
            assert types == ["connected", "error", "error", "error"]
            with pytest.raises(TimeoutError):
                flood.recv(0.5)
            register(calm, token)
            assert [json.loads(calm.recv(10))["type"] for _ in range(2)] == ["connected", "task_queue"]


@pytest.mark.parametrize(("tokens", "burst"), [(200, 600), (1000, 2000)])
def test_how_fast_is_too_fast(tokens, burst):
    clock = Clock()
    patience = Patience(SocketLimits(tokens=tokens), clock)

    assert [patience.wait() for _ in range(burst)] == [0.0] * burst
    assert patience.wait() == pytest.approx(0.1)
    clock.now += 10
    assert sum(patience.wait() == 0.0 for _ in range(1000)) == 100


# ── heads ────────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory):
    with porch(tmp_path_factory.mktemp("hasty"), worker=False, wired={"pace": Pace(head=0.5)}) as running:
        yield running


def hung_up(connection: socket.socket, drip: bytes = b"") -> bool:
    """Whether the server closes within 20 s, however steadily it is dripped upon."""
    connection.settimeout(0.1)
    for _ in range(200):
        try:
            connection.sendall(drip)
            if connection.recv(100) == b"":
                return True
        except TimeoutError:
            continue
        except OSError:
            return True
    return False


@pytest.mark.parametrize("drip", [b"", b"x"])
@pytest.mark.parametrize("start", [b"", b"POST /v1/Task/List HTTP/1.1\r\nHost: x\r\nx-long: "])
def test_a_head_that_never_ends(hasty, start, drip):
    with hasty.tcp() as connection:
        connection.sendall(start)
        assert hung_up(connection, drip)


def test_a_second_head_that_never_ends(hasty):
    with hasty.tcp() as connection:
        connection.sendall(hasty.head_of("POST", "/v1/Task/List", {"Content-Length": "2"}) + b"{}")
        assert connection.recv(12) == b"HTTP/1.1 200"
        connection.sendall(b"GET /")
        assert hung_up(connection, b"x")


def test_what_comes_after_the_head_has_time(hasty):
    body = json.dumps(BODY).encode()
    with hasty.tcp() as connection, hasty.socket() as waiting:
        connection.sendall(hasty.head_of("POST", f"/v1/{RUN}", {"Content-Length": str(len(body))}))
        assert json.loads(waiting.recv(10))["type"] == "connected"
        time.sleep(1.2)
        connection.sendall(body)
        assert connection.recv(12) == b"HTTP/1.1 200"
        register(waiting)
        assert json.loads(waiting.recv(10))["type"] == "error"
