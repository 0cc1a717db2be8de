"""Section 6 against a live server, where tests/wire has no test of it."""

import json
import time

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from server.api.sockets import SocketLimits
from tests.conformance.clients.base import SMALL
from tests.conformance.conftest import Server
from tests.conformance.engines import both_engines
from tests.wire.frames import hold_raw_socket

FIELDS = {"type", "id", "tasktoken", "message", "result", "success", "terminal", "exitCode"}
TEXT_IN_ONE_FRAME = 0x81


@both_engines
def test_s06_the_frames_of_a_drawing_are_whole_short_and_complete(server: Server):
    """Each is one text frame with every field, and nothing but the last is longer than 4,096 bytes."""
    token = server.easel().run(**{**SMALL, "samples": "4"})["socketaccesstoken"]
    types: list[str] = []
    with hold_raw_socket(server.site.port) as socket:
        socket.send_text(json.dumps({"type": "task_info", "tasktoken": token}))
        while "task_postprocess_end" not in types:
            frame = socket.receive()
            if frame.first_byte & 0x0F != 1:
                continue  # a ping
            assert frame.first_byte == TEXT_IN_ONE_FRAME
            assert set(frame.json) >= FIELDS
            types.append(frame.json["type"])
            assert len(frame.payload) <= 4096 or frame.json["terminal"]
            assert len(frame.payload) < 1 << 20
    assert types[:2] == ["connected", "task_queue"]
    assert {"task_output_full", "task_end"} <= set(types)
    assert "task_error_full" not in types, "only failed runs have one: a Go client stops there"


@pytest.mark.parametrize("headers", [{}, {"Origin": "https://example.org"}, {"Authorization": "Bearer a:b"}])
def test_s06_anyone_may_open_a_socket_without_a_key_or_a_query(server: Server, headers: dict[str, str]):
    easel = server.easel()
    with easel.socket(additional_headers=headers) as socket:
        assert json.loads(socket.recv(10))["version"] == "1.0"
        assert socket.subprotocol is None


def test_s06_a_subprotocol_is_not_needed_and_not_promised(server: Server):
    with server.easel().socket(subprotocols=[Subprotocol("wiro")]) as socket:
        assert json.loads(socket.recv(10))["type"] == "connected"
        assert socket.subprotocol is None


@pytest.mark.parametrize("code", [1000, 1001])
def test_s06_a_client_that_closes_first_is_answered_in_kind(server: Server, code: int):
    easel = server.easel()
    task = easel.finish()
    with easel.socket() as socket:
        socket.send(json.dumps({"type": "task_info", "tasktoken": task["socketaccesstoken"]}))
        kind = ""
        while kind != "task_postprocess_end":
            kind = json.loads(socket.recv(10))["type"]
        socket.close(code)
        assert socket.close_code == code


def test_s06_a_cancelled_task_ends_with_a_frame_of_its_own(server: Server):
    easel = server.easel()
    busy = easel.run(prompt="a <fake:slow>", steps="150")
    task = easel.run()
    easel.post("Task/Cancel", {"taskid": task["taskid"]})
    last = easel.follow(task["socketaccesstoken"])[-1]
    easel.post("Task/Kill", {"taskid": busy["taskid"]})

    assert (last["type"], last["terminal"], last["result"]) == ("task_cancel", True, False)
    assert last["message"] is None or isinstance(last["message"], str)
    assert last["exitCode"] is None


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_s13_a_socket_that_never_registers_has_sixty_seconds_and_then_goes(server: Server):
    with server.easel().socket() as socket:
        assert json.loads(socket.recv(10))["type"] == "connected"
        before = time.monotonic()
        with pytest.raises(ConnectionClosed):
            socket.recv(200)
        assert time.monotonic() - before > 58


def test_s13_the_time_to_register_is_what_was_granted():
    assert SocketLimits().register_seconds >= 60
