"""Tasks that break their engine: each ends as it should, and whoever comes next is served."""

import os
import signal
import sys
import time
from collections.abc import Iterator

import pytest

from server.domain.events import EventType
from server.domain.lifecycle import TaskStatus
from server.domain.types import TaskId
from server.services.projects import Credentials
from tests.e2e.processes import Process, Site, ends, eventually, open_site
from tests.serving import Easel


class Place:
    """One `easel up` for all these tests, with two clients."""

    def __init__(self, site: Site, up: Process, other: Credentials) -> None:
        self.site, self.up = site, up
        self.client, self.other = site.client(), site.client(other)

    def run(self, prompt: str, **parameters: str) -> dict:
        return self.client.run(prompt=f"a fox {prompt}", **parameters)

    def finish(self, prompt: str, **parameters: str) -> dict:
        return self.client.finish(prompt=f"a fox {prompt}", **parameters)

    def check_next(self) -> None:
        """The next task of another client works."""
        done = self.other.finish(steps="3")
        assert (done["status"], done["pexit"], len(done["outputs"])) == ("task_postprocess_end", "0", 1)

    def kill(self, token: str) -> dict:
        answer = self.client.post("Task/Kill", {"tasktoken": token}).json()
        assert answer["result"], answer
        return answer["tasklist"][0]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with open_site(tmp_path_factory.mktemp("place"), EASEL_FAKE="step_ms=20") as site:
        up = site.up()
        yield Place(site, up, site.project("other"))


def test_a_poison_task_ends_after_three_crashes_with_the_exit_code_of_its_engine(place: Place):
    token = place.run("<fake:dies_hard:3>", steps="10")["socketaccesstoken"]
    waiting = place.other.run(steps="3")
    frames = place.client.follow(token)
    done = place.client.detail(token)
    assert (done["status"], done["pexit"], done["outputs"]) == ("task_postprocess_end", "137", [])
    assert "died 3 times" in done["debugerror"]
    assert frames[-1]["success"] is False
    assert frames[-1]["pexit"] == "137"
    story = place.site.story(done["id"])
    assert ends(story) == 1
    assert (story.task.attempt, story.task.crashes) == (3, 2)  # the third crash is the ending itself
    assert [event.type for event in story.events].count(EventType.START) == 3
    place.other.follow(waiting["socketaccesstoken"])
    assert place.other.detail(waiting["socketaccesstoken"])["pexit"] == "0"
    place.check_next()


@pytest.mark.parametrize("prompt", ["<fake:ignores_stop>", "<fake:hangs:2>"])
def test_a_kill_works_on_an_engine_that_does_not_listen(place: Place, prompt: str):
    child = place.up.child
    task = place.run(prompt, steps="150", samples="8")
    place.site.wait_until_drawing(task["taskid"])
    began = time.monotonic()
    killed = place.kill(task["socketaccesstoken"])
    assert (killed["status"], killed["pexit"]) == ("task_cancel", "")
    assert time.monotonic() - began < 1
    place.check_next()
    assert time.monotonic() - began < 8
    eventually(lambda: place.up.child != child, within=15)  # the next may have been drawn beside it, before its end
    story = place.site.story(task["taskid"])
    assert (story.task.status, story.events[-1].type, ends(story)) == (TaskStatus.CANCEL, EventType.CANCEL, 1)
    assert story.task.crashes == 0


def test_a_kill_works_on_an_engine_that_does_not_even_take_sigterm(place: Place):
    child = place.up.child
    task = place.run("", steps="150", samples="8")
    place.site.wait_until_drawing(task["taskid"])
    os.kill(child, signal.SIGSTOP)
    place.kill(task["socketaccesstoken"])
    place.check_next()
    assert place.up.child != child


@pytest.mark.parametrize("prompt", ["<fake:out_of_memory:2>", "<fake:fails_at_step:2>"])
def test_a_failed_drawing_costs_its_task_only(place: Place, prompt: str):
    child = place.up.child
    done = place.finish(prompt)
    assert (done["status"], done["pexit"], done["outputs"]) == ("task_postprocess_end", "1", [])
    assert done["debugerror"]
    story = place.site.story(done["id"])
    assert (ends(story), story.task.attempt, story.task.crashes) == (1, 1, 0)
    assert EventType.ERROR_FULL in [event.type for event in story.events]
    place.check_next()
    assert place.up.child == child


def test_a_failure_at_the_second_picture_keeps_the_first_as_a_partial_output(place: Place):
    done = place.finish("<fake:fails_at_step:15>", steps="10", samples="2", refiner="--only_base_model")
    assert (done["pexit"], done["outputs"], len(done["partialoutputs"])) == ("1", [], 1)


def test_a_flood_of_log_lines_neither_stops_the_task_nor_fills_the_log(place: Place):
    done = place.finish("<fake:floods_log>", steps="5")
    assert (done["pexit"], len(done["outputs"])) == ("0", 1)
    types = [event.type for event in place.site.story(done["id"]).events]
    assert 1 <= types.count(EventType.ERROR) <= 60
    place.check_next()


def test_a_killed_drawing_frees_the_device_for_the_next_task(place: Place, capsys: pytest.CaptureFixture[str]):
    """Measured from the kill's request to the start of the next drawing, at 50 ms a step and more."""
    taken: list[float] = []
    child = place.up.child
    for _ in range(5):
        task = place.run("<fake:slow>", steps="150", samples="8")  # 220 ms a step
        following = TaskId(int(place.other.run(steps="3")["taskid"]))
        place.site.wait_until_drawing(task["taskid"])
        killed_at = time.time()
        place.kill(task["socketaccesstoken"])
        place.site.wait_for_status(following, TaskStatus.POSTPROCESS_END)
        started = place.site.story(following).task.times[TaskStatus.START]
        taken.append(started - killed_at)
    _print(capsys, "220 ms a step, up", taken)
    assert max(taken) < 2
    assert place.up.child == child


def test_the_latency_of_a_kill_at_50_ms_a_step(site: Site, capsys: pytest.CaptureFixture[str]):
    site.environment["EASEL_FAKE"] = "step_ms=50"
    site.api()
    client: Easel = site.client(site.project("one"))
    site.worker()
    taken: list[float] = []
    for _ in range(5):
        task = client.run(steps="150", samples="8")
        following = TaskId(int(client.run(steps="3", refiner="--only_base_model")["taskid"]))
        site.wait_until_drawing(task["taskid"])
        killed_at = time.time()
        client.post("Task/Kill", {"tasktoken": task["socketaccesstoken"]})
        eventually(lambda following=following: TaskStatus.START in site.story(following).task.times)
        taken.append(site.story(following).task.times[TaskStatus.START] - killed_at)
        site.wait_for_status(following, TaskStatus.POSTPROCESS_END)
    _print(capsys, "50 ms a step, api + worker", taken)
    assert max(taken) < 2


def _print(capsys: pytest.CaptureFixture[str], what: str, taken: list[float]) -> None:
    with capsys.disabled():
        milliseconds = ", ".join(f"{1000 * one:.0f}" for one in sorted(taken))
        sys.stdout.write(f"\n  kill to next drawing, {what}: {milliseconds} ms\n")
