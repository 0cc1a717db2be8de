"""Cancel and kill: exact to the task, idempotent, each in its place (sections 3.4 and 3.5)."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.wire.porch import error_of

SLOW = {"prompt": "a lake <fake:slow>", "steps": 100}


@pytest.fixture
def running(easel):
    """A task that draws until somebody stops it."""
    run = easel.run(**SLOW)
    easel.until(run["socketaccesstoken"], "task_start")
    yield run
    easel.post("Task/Kill", {"taskid": run["taskid"]})


@pytest.mark.parametrize("endpoint", ["Cancel", "Kill"])
def test_a_queued_task_is_cancelled_and_nobody_else(easel, running, endpoint):
    one, neighbour = easel.run(), easel.run()

    answer = easel.post(f"Task/{endpoint}", {"taskid": one["taskid"]}).json()

    assert set(answer) == {"total", "errors", "tasklist", "result"}
    [task] = answer["tasklist"]
    assert (task["id"], task["status"]) == (one["taskid"], "task_cancel")
    assert easel.detail(neighbour["socketaccesstoken"])["status"] == "task_queue"
    assert easel.detail(running["socketaccesstoken"])["status"] == "task_start"
    easel.post("Task/Kill", {"taskid": running["taskid"]})
    assert easel.until(neighbour["socketaccesstoken"], "task_postprocess_end")["pexit"] == "0"
    assert easel.detail(one["socketaccesstoken"])["status"] == "task_cancel"


def test_a_running_task_is_killed_and_its_neighbour_goes_on(easel, running):
    neighbour = easel.run()

    answer = easel.post("Task/Kill", {"socketaccesstoken": running["socketaccesstoken"]}).json()

    assert (answer["result"], answer["errors"]) == (True, [])
    assert [task["status"] for task in answer["tasklist"]] == ["task_cancel"]
    assert easel.until(neighbour["socketaccesstoken"], "task_postprocess_end")["pexit"] == "0"
    killed = easel.detail(running["socketaccesstoken"])
    assert (killed["status"], killed["pexit"], killed["outputs"]) == ("task_cancel", "", [])


def test_a_killed_task_tells_what_it_took(easel, running):
    token = running["socketaccesstoken"]
    assert easel.detail(token)["killreceipt"] == {}
    easel.post("Task/Kill", {"socketaccesstoken": token})
    deadline = time.monotonic() + 20
    while not (receipt := easel.detail(token)["killreceipt"]):
        assert time.monotonic() < deadline
        time.sleep(0.05)

    assert receipt["means"] in {"step boundary", "SIGTERM", "SIGKILL"}
    assert receipt["milliseconds"] >= 0
    assert 0 <= receipt["step"] <= receipt["steptotal"]
    assert easel.detail(token)["status"] == "task_cancel"


def test_a_running_task_can_not_be_cancelled(easel, running):
    answer = easel.post("Task/Cancel", {"taskid": running["taskid"]})

    assert error_of(answer) == (1, "Task is not in a cancellable state.")
    assert easel.detail(running["socketaccesstoken"])["status"] == "task_start"


@pytest.mark.parametrize("first", ["Cancel", "Kill"])
@pytest.mark.parametrize("again", ["Cancel", "Kill"])
def test_stopping_again_is_fine(idle, first, again):
    run = idle.run()
    once = idle.post(f"Task/{first}", {"taskid": run["taskid"]}).json()

    twice = [idle.post(f"Task/{again}", {"tasktoken": run["socketaccesstoken"]}).json() for _ in range(2)]

    assert twice == [once, once]
    assert once["result"] is True


@pytest.mark.parametrize("again", ["Cancel", "Kill"])
def test_stopping_a_killed_task_again_is_fine(easel, running, again):
    easel.post("Task/Kill", {"taskid": running["taskid"]})

    assert easel.post(f"Task/{again}", {"taskid": running["taskid"]}).json()["result"] is True


@pytest.mark.parametrize("prompt", ["a lake", "a lake <fake:fails_at_step:2>"])
def test_a_finished_task_can_not_be_stopped(easel, prompt):
    before = easel.finish(prompt=prompt)

    assert error_of(easel.post("Task/Cancel", {"taskid": before["id"]})) == (1, "Task is not in a cancellable state.")
    code, message = error_of(easel.post("Task/Kill", {"taskid": before["id"]}))
    assert code == 1
    assert message.startswith("Task could not be killed: ")
    assert easel.detail(before["socketaccesstoken"]) == before


def test_many_may_stop_the_same_task_at_once(idle):
    run = idle.run()
    endpoints = ["Task/Cancel", "Task/Kill"] * 4

    with ThreadPoolExecutor(len(endpoints)) as pool:
        answers = list(pool.map(lambda path: idle.post(path, {"taskid": run["taskid"]}), endpoints))

    assert {answer.json()["tasklist"][0]["status"] for answer in answers} == {"task_cancel"}
    assert [frame["type"] for frame in idle.follow(run["socketaccesstoken"])] == ["task_queue", "task_cancel"]


def test_an_engine_that_does_not_listen_is_stopped_all_the_same(easel):
    deaf = easel.run(prompt="a lake <fake:ignores_stop>", steps=100)
    easel.until(deaf["socketaccesstoken"], "task_start")

    easel.post("Task/Kill", {"taskid": deaf["taskid"]})

    assert easel.detail(deaf["socketaccesstoken"])["status"] == "task_cancel"
    assert easel.finish()["pexit"] == "0"
    assert easel.detail(deaf["socketaccesstoken"])["status"] == "task_cancel"
