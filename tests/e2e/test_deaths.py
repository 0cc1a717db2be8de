"""Processes die under a task: the task is drawn all the same, and its clients see it on the connection they have."""

import json
import os
import signal
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager

from websockets.sync.client import ClientConnection

from server.domain.events import EventType
from server.domain.lifecycle import TaskStatus
from tests.e2e.processes import Site, alive, check_story, children_of, ends, eventually
from tests.serving import Easel, collect

LONG = {"steps": "60", "samples": "1", "refiner": "--only_base_model"}
"""Some 3 s at 50 ms a step."""


@contextmanager
def _registered(client: Easel, token: str) -> Generator[ClientConnection]:
    with client.socket() as socket:
        socket.send(json.dumps({"type": "task_info", "tasktoken": token}))
        yield socket


def _types(frames: list[dict]) -> list[str]:
    return [frame["type"] for frame in frames if frame["type"] != "task_output"]


def _say(capsys, text: str) -> None:
    with capsys.disabled():
        sys.stdout.write(f"\n  {text}\n")


_ONCE = [
    "task_accept",
    "task_preprocess_start",
    "task_preprocess_end",
    "task_assign",
    "task_start",
]
_END = ["task_output_full", "task_end", "task_postprocess_start", "task_postprocess_end"]


def test_a_killed_engine_child_costs_one_attempt_and_the_socket_sees_both(embedded_site: Site, capsys):
    up = embedded_site.up(EASEL_FAKE="step_ms=50")
    client = embedded_site.client()
    task = client.run(**LONG)
    with _registered(client, task["socketaccesstoken"]) as socket:
        embedded_site.wait_until_drawing(task["taskid"], steps=5)
        child = up.child
        os.kill(child, signal.SIGKILL)
        killed_at = time.time()
        frames = collect(socket)
    assert _types(frames) == ["task_queue", *_ONCE, "task_queue", *_ONCE, *_END]
    assert [frame["attempt"] for frame in frames if frame["type"] == "task_start"] == [1, 2]
    assert frames[-1]["success"] is True
    story = embedded_site.story(task["taskid"])
    assert ends(story) == 1
    assert (story.task.attempt, story.task.crashes, story.task.pexit, len(story.task.outputs)) == (2, 1, "0", 1)
    assert up.child != child
    assert up.popen.poll() is None
    again = next(e.at for e in story.events if e.type is EventType.START and e.attempt == 2)
    _say(capsys, f"engine child killed: drawing again after {again - killed_at:.2f} s")


def test_a_killed_worker_leaves_no_engine_and_another_worker_finishes(any_site: Site, capsys):
    any_site.environment["EASEL_FAKE"] = "step_ms=50"
    any_site.api()
    client = any_site.client(any_site.project("one"))
    first = any_site.worker()
    task = client.run(**LONG)
    with _registered(client, task["socketaccesstoken"]) as socket:
        any_site.wait_until_drawing(task["taskid"], steps=5)
        child = first.child
        first.kill()
        killed_at = time.time()
        eventually(lambda: not alive(child), within=3)
        gone = time.time() - killed_at
        second = any_site.worker()
        frames = collect(socket)
    assert _types(frames) == ["task_queue", *_ONCE, "task_queue", *_ONCE, *_END]
    assert frames[-1]["attempt"] == 2
    story = any_site.story(task["taskid"])
    assert ends(story) == 1
    assert (story.task.attempt, story.task.crashes, story.task.pexit) == (2, 0, "0")
    assert len(children_of(second.pid)) == 1
    again = next(e.at for e in story.events if e.type is EventType.START and e.attempt == 2)
    _say(capsys, f"worker killed: its child gone after {gone:.2f} s, drawing again after {again - killed_at:.2f} s")


def test_a_worker_killed_while_its_child_hangs_leaves_no_engine(site: Site):
    site.api()
    client = site.client(site.project("one"))
    worker = site.worker(EASEL_FAKE="step_ms=5,mode=hangs")
    task = client.run()
    site.wait_for_status(task["taskid"], TaskStatus.START)
    child = worker.child
    worker.kill()
    eventually(lambda: not alive(child), within=3)


def test_a_worker_stopped_for_too_long_changes_nothing_any_more(any_site: Site):
    any_site.environment["EASEL_FAKE"] = "step_ms=20"
    any_site.api()
    client = any_site.client(any_site.project("one"))
    zombie = any_site.worker()
    child = zombie.child
    task = client.run(**LONG)
    any_site.wait_until_drawing(task["taskid"], steps=5)
    zombie.signal(signal.SIGSTOP)
    other = any_site.worker()
    client.follow(task["socketaccesstoken"])
    before = any_site.story(task["taskid"])
    assert (ends(before), before.task.attempt, before.task.pexit) == (1, 2, "0")

    other.signal(signal.SIGTERM)
    assert other.wait() == 0
    zombie.signal(signal.SIGCONT)
    following = client.finish()
    assert following["pexit"] == "0"
    assert any_site.story(task["taskid"]) == before
    assert zombie.child == child  # freed, not replaced


def test_a_worker_stopped_in_mid_drawing_lets_go_of_what_was_taken_over(site: Site):
    """As above, but its engine is still at it when the worker wakes up: the drawing is withdrawn."""
    site.api()
    client = site.client(site.project("one"))
    zombie = site.worker(EASEL_FAKE="step_ms=100")
    child = zombie.child
    task = client.run(steps="100")
    site.wait_until_drawing(task["taskid"])
    zombie.signal(signal.SIGSTOP)
    other = site.worker(EASEL_FAKE="step_ms=1")
    client.follow(task["socketaccesstoken"])
    before = site.story(task["taskid"])
    other.signal(signal.SIGTERM)
    other.wait()
    zombie.signal(signal.SIGCONT)
    zombie.wait_for("the engine is free of it", within=3)
    assert client.finish(steps="5")["pexit"] == "0"
    assert site.story(task["taskid"]) == before
    assert zombie.child == child


def test_a_worker_that_wakes_up_while_another_draws_its_task_does_not_disturb_it(any_site: Site):
    """Its pictures are long drawn and wait in the pipe; the other's are not."""
    any_site.api()
    client = any_site.client(any_site.project("one"))
    zombie = any_site.worker(EASEL_FAKE="step_ms=20")
    task = client.run(**LONG)
    any_site.wait_until_drawing(task["taskid"], steps=5)
    zombie.signal(signal.SIGSTOP)
    any_site.worker(EASEL_FAKE="step_ms=50")
    eventually(lambda: (it := any_site.story(task["taskid"]).task).attempt == 2 and it.status is TaskStatus.START)
    zombie.signal(signal.SIGCONT)
    client.follow(task["socketaccesstoken"])
    story = any_site.story(task["taskid"])
    assert ends(story) == 1
    assert (story.task.pexit, story.task.attempt, [file.attempt for file in story.task.outputs]) == ("0", 2, [2])
    # Nobody cut it short. The START in the log is late by what its own write took, so count from ASSIGN.
    assigned = next(event.at for event in story.events if event.type is EventType.ASSIGN and event.attempt == 2)
    assert story.task.times[TaskStatus.END] - assigned > 60 * 0.05
    assert [event.type for event in story.events].count(EventType.START) == 2


def test_a_worker_that_dies_each_time_ends_the_task_after_the_bounded_number_of_attempts(site: Site):
    """Nobody loops for ever over a task that takes its worker with it."""
    site.environment |= {"EASEL_LEASE_SECONDS": "1", "EASEL_HEARTBEAT_SECONDS": "0.3", "EASEL_FAKE": "step_ms=100"}
    site.api()
    client = site.client(site.project("one"))
    task = client.run(steps="100")
    for attempt in range(1, 6):
        worker = site.start("worker")
        eventually(lambda at=attempt: (it := site.story(task["taskid"]).task).attempt == at and it.status in DRAWING)
        worker.kill()
    site.wait_for_status(task["taskid"], TaskStatus.POSTPROCESS_END)
    story = site.story(task["taskid"])
    check_story(list(story.events))
    assert (story.task.pexit, story.task.attempt) == ("1", 5)
    assert "5 times" in story.task.message


DRAWING = {TaskStatus.START, TaskStatus.ASSIGN}
