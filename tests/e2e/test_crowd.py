"""Two hundred tasks, four projects, three workers, fifty cancels: every promise of the queue at once."""

import random
import threading
import time
from collections.abc import Sequence

import httpx2
import pytest

from server.domain.events import EventType
from server.domain.lifecycle import TERMINAL, TaskStatus
from server.ports import Story
from server.services.projects import Credentials
from tests.e2e.processes import Site, check_story, ends, eventually
from tests.serving import BODY, signed

_FLOOD = 140
_SMALL = 20
_SMALL_AT_ONCE = 12
_STOPS = 50
_WORKERS = 3
_MODELS = ("hevok/studio-trigger", "stabilityai/stable-diffusion-xl-base-1.0")


class _Client:
    """One connection of one project."""

    def __init__(self, site: Site, credentials: Credentials) -> None:
        self._http = httpx2.Client(trust_env=False, timeout=30)
        self._url = f"http://127.0.0.1:{site.port}/v1"
        self._credentials = credentials
        self.tokens: list[str] = []
        self.ids: list[int] = []

    def post(self, path: str, body: dict[str, str]):
        return self._http.post(f"{self._url}/{path}", json=body, headers=signed(self._credentials)).json()

    def run(self, times: int) -> None:
        for _ in range(times):
            model = _MODELS[len(self.ids) % len(_MODELS)]
            answer = self.post(f"Run/{model}", {**BODY, "steps": "10", "seed": str(len(self.ids)), "samples": "2"})
            assert answer["result"], answer
            self.tokens.append(answer["socketaccesstoken"])
            self.ids.append(int(answer["taskid"]))

    def close(self) -> None:
        self._http.close()


def _stop_some(site: Site, clients: Sequence[_Client], rng: random.Random, acked: set[int]) -> None:
    """Cancel and kill at random: any task, or, every third time, one that is being drawn at this moment."""
    tokens = {
        task_id: (client, token) for client in clients for task_id, token in zip(client.ids, client.tokens, strict=True)
    }
    for number in range(_STOPS):
        drawing = list(tokens.keys() & site.ids_in(TaskStatus.START)) if number % 3 == 0 else []
        client, token = tokens[rng.choice(sorted(drawing or tokens))]
        answer = client.post(f"Task/{'Kill' if drawing else rng.choice(['Cancel', 'Kill'])}", {"tasktoken": token})
        if answer["result"]:
            stopped = answer["tasklist"][0]
            assert stopped["status"] == "task_cancel"
            acked.add(int(stopped["id"]))
        time.sleep(rng.random() * 0.08)


def _claims(stories: Sequence[Story]) -> dict[int, float]:
    """When each task was first claimed."""
    return {
        story.task.id: next(event.at for event in story.events if event.type is EventType.ACCEPT)
        for story in stories
        if any(event.type is EventType.ACCEPT for event in story.events)
    }


def _check_turns(flood: Sequence[Story], small: Sequence[Story]) -> None:
    """Between a small project's Run and its claim the flood gets one task per earlier task of that project, not more.

    Turns allow two further ones (the turn being worked on, and the same turn with a lower id), and claims made at the
    same moment may swap places.
    """
    claimed = _claims([*flood, *small])
    flood_claims = sorted(claimed[story.task.id] for story in flood if story.task.id in claimed)
    for place, story in enumerate(small):
        if story.task.id not in claimed:
            continue
        run_at, claimed_at = story.events[0].at, claimed[story.task.id]
        ahead = sum(claimed.get(other.task.id, run_at) >= run_at for other in small[:place])
        before_me = sum(run_at <= at < claimed_at for at in flood_claims)
        assert before_me <= ahead + 2 + _WORKERS, (story.task.id, place, ahead, before_me)


def _check_outcome(story: Story, acked: set[int]) -> None:
    task = story.task
    assert task.terminal
    assert ends(story) == 1
    if task.id in acked:
        assert (task.status, task.pexit, task.outputs) == (TaskStatus.CANCEL, "", ())
    else:
        assert (task.status, task.pexit, len(task.outputs)) == (TaskStatus.POSTPROCESS_END, "0", 2)
        assert {output.attempt for output in task.outputs} == {task.attempt} == {1}


@pytest.mark.timeout(120)
def test_every_task_ends_once_and_nobody_starves(any_site: Site, capsys: pytest.CaptureFixture[str]):
    began = time.monotonic()
    # One in hand at a time: what is asserted is the order of claims.
    any_site.environment |= {"EASEL_FAKE": "step_ms=4", "EASEL_QUEUE_LIMIT": "0", "EASEL_IN_FLIGHT": "1"}
    rng = random.Random(20260727)
    any_site.api()
    clients = [_Client(any_site, any_site.project(name)) for name in ("flood", "ann", "ben", "cleo")]
    flood, *others = clients
    flood.run(_FLOOD)
    for client in others:
        client.run(_SMALL_AT_ONCE)
    workers = [any_site.start("worker") for _ in range(_WORKERS)]
    workers[0].wait_for("engine ready")
    drawing_since = time.monotonic()
    acked: set[int] = set()
    late = [threading.Thread(target=client.run, args=(_SMALL - _SMALL_AT_ONCE,)) for client in others]
    for thread in late:
        thread.start()
    for thread in late:
        thread.join()
    _stop_some(any_site, clients, rng, acked)
    ids = [task_id for client in clients for task_id in client.ids]
    eventually(lambda: any_site.ids_in(*TERMINAL) >= set(ids), within=60, every=0.1)
    took = time.monotonic() - drawing_since
    stories = {task_id: any_site.story(task_id) for task_id in ids}
    for client in clients:
        client.close()

    assert len(ids) == len(set(ids)) == _FLOOD + 3 * _SMALL
    for story in stories.values():
        _check_outcome(story, acked)
    killed = [task_id for task_id in acked if any(e.type is EventType.START for e in stories[task_id].events)]
    assert len(acked) >= 20
    assert killed
    for client in others:
        _check_turns([stories[one] for one in flood.ids], [stories[one] for one in client.ids])
    with capsys.disabled():
        print(  # noqa: T201 a measurement
            f"\n  {len(ids)} tasks in {took:.1f} s of {time.monotonic() - began:.1f} s, {len(acked)} stopped, "
            f"{len(killed)} of them while drawing"
        )


def test_the_check_of_stories_has_teeth(any_site: Site):
    """The checks above would see a gap."""
    any_site.api()
    client = any_site.client(any_site.project("one"))
    task_id = client.run()["taskid"]
    story = any_site.story(task_id)
    with pytest.raises(AssertionError):
        check_story([*story.events, *story.events])
