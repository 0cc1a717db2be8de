"""Ctrl-C and SIGTERM: drain, hand back, lose nothing."""

import json
import os
import signal
import stat
import time

import pytest

from server.domain.events import EventType
from server.domain.lifecycle import TaskStatus
from tests.e2e.processes import Process, Site, alive, children_of, ends

_SLOW = "step_ms=100"


def _begin(site: Site, **parameters: str) -> str:
    task_id = site.client().run(**parameters)["taskid"]
    site.wait_until_drawing(task_id)
    return task_id


def _wait(process: Process, within: float) -> float:
    """Wait for the process's end; return how long it took."""
    began = time.monotonic()
    assert process.wait(within) == 0, process.said
    assert "Traceback" not in process.said
    return time.monotonic() - began


def test_ctrl_c_hands_the_task_back_and_the_next_start_draws_it(embedded_site: Site):
    up = embedded_site.up(EASEL_FAKE=_SLOW, EASEL_DRAIN_SECONDS="1")
    task_id = _begin(embedded_site, steps="100")
    child = up.child
    up.ctrl_c()
    assert _wait(up, within=8) > 0.8
    assert not alive(child)
    story = embedded_site.story(task_id)
    assert (story.task.status, story.task.attempt, story.task.crashes) == (TaskStatus.QUEUE, 0, 0)
    assert story.events[-1].type is EventType.QUEUE

    embedded_site.up(EASEL_FAKE="step_ms=1")
    embedded_site.wait_for_status(task_id, TaskStatus.POSTPROCESS_END)
    story = embedded_site.story(task_id)
    assert ends(story) == 1
    assert (story.task.attempt, story.task.pexit, len(story.task.outputs)) == (1, "0", 1)


def test_the_first_start_makes_a_project_for_its_owners_eyes_only(embedded_site: Site):
    up = embedded_site.up()
    path = embedded_site.folder / "project.json"
    made = json.loads(path.read_text())
    assert list(made) == ["name", "apiKey", "apiSecret"]
    assert made["name"] == "default"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    up.ctrl_c()
    _wait(up, within=8)
    embedded_site.up()
    assert json.loads(path.read_text()) == made
    assert embedded_site.client().finish(steps="3")["pexit"] == "0"


def test_ctrl_c_lets_a_task_that_is_nearly_done_finish(embedded_site: Site):
    up = embedded_site.up(EASEL_FAKE=_SLOW, EASEL_IN_FLIGHT="1")
    task_id = _begin(embedded_site, steps="20")
    waiting = embedded_site.client().run(steps="20")["taskid"]
    up.ctrl_c()
    _wait(up, within=12)
    assert embedded_site.story(task_id).task.pexit == "0"
    assert embedded_site.status(waiting) is TaskStatus.QUEUE  # nothing is claimed while draining


def test_the_second_ctrl_c_is_immediate(embedded_site: Site):
    up = embedded_site.up(EASEL_FAKE=_SLOW, EASEL_DRAIN_SECONDS="60", EASEL_STOP_SECONDS="10")
    task_id = _begin(embedded_site, steps="100")
    with embedded_site.client().socket() as socket:
        socket.recv(5)
        up.ctrl_c()
        up.wait_for("stopping:")
        time.sleep(0.3)
        assert up.popen.poll() is None
        up.ctrl_c()
        assert _wait(up, within=10) < 4
    assert embedded_site.story(task_id).task.attempt == 0
    assert embedded_site.status(task_id) is TaskStatus.QUEUE


@pytest.mark.parametrize("frozen", [False, True], ids=["hanging step", "stopped process"])
def test_the_second_ctrl_c_is_immediate_even_when_the_engine_hangs(embedded_site: Site, *, frozen: bool):
    up = embedded_site.up(EASEL_FAKE="step_ms=50", EASEL_DRAIN_SECONDS="60", EASEL_STOP_SECONDS="10")
    prompt = "a fox" if frozen else "a fox <fake:hangs:5>"
    task_id = _begin(embedded_site, steps="100", prompt=prompt)
    child = up.child
    if frozen:
        os.kill(child, signal.SIGSTOP)
    time.sleep(0.5)
    up.ctrl_c()
    up.wait_for("stopping:")
    up.ctrl_c()
    assert _wait(up, within=20) < 5
    assert not alive(child)
    assert embedded_site.status(task_id) is TaskStatus.QUEUE


def test_sigterm_drains_a_worker_and_hands_back(site: Site):
    site.api()
    client = site.client(site.project("one"))
    worker = site.worker(EASEL_FAKE=_SLOW, EASEL_DRAIN_SECONDS="1")
    task_id = client.run(steps="100")["taskid"]
    site.wait_until_drawing(task_id)
    worker.signal(signal.SIGTERM)
    _wait(worker, within=8)
    task = site.story(task_id).task
    assert (task.status, task.attempt, task.crashes) == (TaskStatus.QUEUE, 0, 0)
    site.worker()
    site.wait_for_status(task_id, TaskStatus.POSTPROCESS_END)
    assert site.story(task_id).task.pexit == "0"


def test_sigterm_stops_the_api_even_with_an_open_socket(site: Site):
    api = site.api()
    with site.client(site.project("one")).socket() as socket:
        socket.recv(5)
        api.signal(signal.SIGTERM)
        _wait(api, within=8)


def test_an_idle_worker_stops_at_once_and_takes_its_engine_along(site: Site):
    worker = site.worker()
    child = worker.child
    worker.signal(signal.SIGTERM)
    _wait(worker, within=5)
    assert not alive(child)
    assert children_of(worker.pid) == []
