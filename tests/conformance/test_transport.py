"""Sections 1 and 2 against a live server, where tests/wire has no test of it."""

import threading
from pathlib import Path
from typing import Any

import httpx2
import pytest

from server.domain.project import AuthMethod
from tests.conformance.clients.base import milliseconds, signed, strict_json
from tests.conformance.conftest import Server
from tests.conformance.engines import both_engines
from tests.serving import BODY
from tests.wire.porch import error_of, porch
from tests.wire.uploading import LABEL, form, part, png

SLUGS = {"slugowner": "hevok", "slugproject": "studio-trigger"}
CALLS: dict[str, tuple[Any, Any]] = {
    "Run/hevok/studio-trigger": (BODY, {"prompt": ""}),
    "Task/Detail": (None, {"tasktoken": "nothing"}),
    "Task/List": ({}, [1]),
    "Task/Cancel": (None, {"tasktoken": "nothing"}),
    "Task/Kill": (None, {}),
    "Task/InputOutputDelete": (None, {"tasktoken": "nothing"}),
    "Tool/List": ({}, None),
    "Tool/Detail": (SLUGS, {"slugowner": "no"}),
    "Tool/Explore": ({}, None),
    "File/FolderCreate": ({"name": "here"}, {"name": "/"}),
    "File/Upload": (None, {}),
}
"""Each call with a body that succeeds and one that is refused."""


def check_answer(answer: httpx2.Response, *, result: bool) -> None:
    """What every client takes for granted: an object in UTF-8 with `result` and `errors`, under its right label."""
    assert answer.status_code == 200
    assert answer.headers["content-type"].split(";")[0] == "application/json"
    assert int(answer.headers["content-length"]) == len(answer.content) > 2
    body: dict[str, Any] = strict_json(answer.content)
    assert answer.content[:1] == b"{"
    assert body["result"] is result
    assert len(body["errors"]) == (0 if result else 1)


@pytest.mark.parametrize("path", CALLS)
def test_s01_every_answer_is_a_labelled_object_with_result_and_errors(server: Server, path: str):
    easel = server.easel()
    good, bad = CALLS[path]
    if good is not None:
        check_answer(easel.post(path, good), result=True)
    if bad is not None:
        check_answer(easel.post(path, bad), result=False)
        error_of(easel.post(path, bad))


@pytest.mark.parametrize("call", ["Detail", "Cancel", "InputOutputDelete"])
def test_s01_answers_about_a_task_have_the_same_frame(server: Server, call: str):
    easel = server.easel()
    task = easel.finish(prompt="größer & 漢字 😀") if call != "Cancel" else easel.run(prompt="a <fake:slow>")
    if call == "Cancel":
        answer = easel.post("Task/Kill", {"taskid": task["taskid"]})
    else:
        answer = easel.post(f"Task/{call}", {"taskid": task["id"]})
    check_answer(answer, result=True)


def test_s01_an_upload_is_answered_like_any_call(server: Server):
    easel = server.easel()
    headers = {**easel.headers, **LABEL}
    check_answer(easel.post("File/Upload", content=form(part("file", png(), "a.png")), headers=headers), result=True)


def test_s01_503_with_retry_after_while_the_database_is_away(tmp_path: Path):
    """SDKs repeat on 503, and on nothing else of ours."""
    with porch(tmp_path, worker=False) as easel:
        easel.database.write(lambda connection: connection.exec_driver_sql("ALTER TABLE tasks RENAME TO hidden"))
        answer = easel.post("Task/Detail", {"taskid": "1"})
        easel.database.write(lambda connection: connection.exec_driver_sql("ALTER TABLE hidden RENAME TO tasks"))

        error_of(answer, 503)
        assert int(answer.headers["retry-after"]) > 0
        assert error_of(easel.post("Task/Detail", {"taskid": "1"})) == (1, "There is no task yet.")


def test_s01_a_retried_call_says_what_the_first_said(server: Server):
    """SDKs repeat everything but Run and Upload when an answer gets lost."""
    easel = server.easel()
    task = easel.finish()
    for path, body in (
        ("Task/Detail", {"taskid": task["id"]}),
        ("Task/InputOutputDelete", {"taskid": task["id"]}),
        ("File/FolderCreate", {"name": "again"}),
    ):
        assert easel.post(path, body).json() == easel.post(path, body).json()


def test_s02_trap_04_calls_at_the_same_moment_may_share_a_nonce(server: Server):
    """MCP, Dart, Kotlin and Swift take the clock in milliseconds."""
    door = server.door()
    headers = signed(door, milliseconds())
    statuses: list[int] = []

    def call() -> None:
        answer = httpx2.post(f"{door.base}/Task/List", json={}, headers=headers, trust_env=False, timeout=30)
        statuses.append(answer.status_code)

    callers = [threading.Thread(target=call) for _ in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert statuses == [200] * 8


def test_s02_a_gateway_adds_the_key_and_the_callers_headers_stay(server: Server):
    """The SDKs' proxy mode: no headers of Wiro's, `Authorization` of the app's own; the gateway adds `x-api-key`."""
    door = server.door(AuthMethod.KEY)
    app = {"Authorization": "Bearer of-the-app", "User-Agent": "WiroKit/1.0.0", "X-App": "1"}
    url = f"{door.base}/Task/List"

    assert httpx2.post(url, json={}, headers=app, trust_env=False).status_code == 401
    assert httpx2.post(url, json={}, headers={**app, "x-api-key": door.key}, trust_env=False).status_code == 200


@both_engines
def test_s00_trap_20_run_answers_while_the_model_is_still_loading(server: Server):
    easel = server.site.client()
    assert server.cold.answer["result"] is True
    assert server.cold.seconds < 30, "SDKs give one call 30 s and never repeat Run"
    assert easel.follow(server.cold.answer["socketaccesstoken"])[-1]["success"] is True
