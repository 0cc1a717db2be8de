"""Section 7 against a live server, seen by the backend that receives it."""

import json

import pytest

from tests.conformance.clients.backends import PythonBackend
from tests.conformance.clients.base import COMPLETED, FAILED
from tests.conformance.conftest import Server
from tests.conformance.engines import both_engines
from tests.e2e.processes import eventually
from tests.receivers import receiving, says


@both_engines
def test_s07_trap_28_a_backend_reads_the_list_or_the_flat_object(server: Server):
    backend = PythonBackend(server.door())
    with receiving(says("200 OK")) as receiver:
        ticket = backend.run(callbackUrl=f"{receiver.url}?order=17&x=a%20b")
        request = eventually(lambda: receiver.requests, within=60)[0]
    body = json.loads(request.body)
    flat = {name: value for name, value in body.items() if name != "tasklist"}

    assert request.line.split() == ["POST", "/hook?order=17&x=a%20b", "HTTP/1.1"]
    assert request.headers["content-type"].split(";")[0] == "application/json"
    assert not {"authorization", "x-api-key", "x-signature"} & set(request.headers)
    for told in (body, flat):
        outcome = backend.judge(told)
        assert outcome is not None
        assert outcome.verdict == COMPLETED
        assert outcome.urls
    assert flat["callbackurl"] == f"{receiver.url}?order=17&x=a%20b"
    assert flat["taskid"] == ticket.task_id
    assert outcome == backend.follow(ticket)


@pytest.mark.parametrize("prompt", ["a <fake:fails_at_step:2>", "a <fake:out_of_memory>"])
def test_s07_a_failed_task_is_told_with_its_reason(server: Server, prompt: str):
    backend = PythonBackend(server.door())
    with receiving(says("200 OK")) as receiver:
        backend.run(prompt=prompt, callbackUrl=receiver.url)
        request = eventually(lambda: receiver.requests, within=60)[0]
    outcome = backend.judge(json.loads(request.body))

    assert outcome is not None
    assert (outcome.verdict, outcome.urls) == (FAILED, [])
    assert outcome.said


def test_s07_a_receiver_that_fails_is_asked_again(server: Server):
    backend = PythonBackend(server.door())
    with receiving(says("500 Broken", "200 OK")) as receiver:
        backend.run(callbackUrl=receiver.url)
        eventually(lambda: len(receiver.requests) >= 2, within=30)
        bodies = [json.loads(request.body) for request in receiver.requests]
    assert bodies[0]["taskid"] == bodies[1]["taskid"]
