"""The project stream: who may watch, what is told, and that nothing is lost on the way. An addition of easel's."""

import json
import socket
import time
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from server.adapters.memory import MemoryStores
from server.adapters.sql.projects import SqlProjectStore
from server.api.sockets import SocketLimits
from server.domain.events import EventType, NewEvent
from server.domain.project import AuthMethod
from server.domain.writes import Append
from server.entrypoints.serve import ApiThread
from server.services.projects import Credentials, create_project
from server.settings import Settings
from tests.serving import Easel, memory_wiring, serving, signed
from tests.stores import WORKER, new_task

MODEL = "hevok/studio-trigger"


@pytest.fixture(scope="module")
def easel(tmp_path_factory: pytest.TempPathFactory):
    with serving(tmp_path_factory.mktemp("stream"), heartbeat_seconds=0.5) as running:
        running.wait_until_drawing_is_possible()
        yield running


def _proof(credentials: Credentials) -> dict[str, str]:
    return {name.removeprefix("x-").replace("api-", "api"): value for name, value in signed(credentials).items()}


@contextmanager
def _watching(easel: Easel, credentials: Credentials | None = None, **more):
    with easel.socket() as socket:
        socket.recv(10)
        socket.send(json.dumps({"type": "project_info", **_proof(credentials or easel.credentials), **more}))
        yield socket


def _until(link, done, within: float = 30) -> list[dict]:
    """Return the frames up to the first for which `done` holds."""
    frames, deadline = [], time.monotonic() + within
    while True:
        frames.append(json.loads(link.recv(max(0.1, deadline - time.monotonic()))))
        if done(frames[-1]):
            return frames


def _snapshot(frame: dict) -> bool:
    return frame["type"] == "project_snapshot"


def _end_of(task_id: str):
    return lambda frame: frame.get("id") == task_id and frame.get("terminal")


def _run(easel: Easel, credentials: Credentials | None = None, **parameters: str) -> str:
    body = {"prompt": "a circle", "width": "64", "height": "64", "steps": "10", "seed": "1", **parameters}
    headers = signed(credentials or easel.credentials)
    return easel.post(f"Run/{MODEL}", body, headers=headers).json()["taskid"]


class TestWho:
    @pytest.mark.parametrize("change", [{"apikey": "wrong"}, {"signature": "0" * 64}, {"apikey": None}, {"nonce": 7}])
    def test_who_can_not_prove_himself_sees_nothing(self, easel: Easel, change: dict):
        with easel.socket() as socket:
            socket.recv(10)
            socket.send(json.dumps({"type": "project_info", **_proof(easel.credentials), **change}))
            frame = json.loads(socket.recv(10))
            assert (frame["type"], frame["result"]) == ("error", False)
            _run(easel)
            with pytest.raises(TimeoutError):
                socket.recv(1.5)

    def test_failures_count_as_those_of_calls_do(self, tmp_path):
        with serving(tmp_path, worker=False, auth_failures_per_minute=2) as strict, strict.socket() as socket:
            socket.recv(10)
            said = []
            for _ in range(4):
                socket.send(json.dumps({"type": "project_info", "apikey": "wrong"}))
                said.append(json.loads(socket.recv(10))["message"])
            assert said[0] != said[-1]

    def test_a_project_sees_its_own_tasks_alone_and_no_host(self, easel: Easel):
        other = easel.new_project("other", AuthMethod.KEY)
        with _watching(easel, other) as socket:
            foreign = _run(easel)
            own = _run(easel, other)
            frames = _until(socket, _end_of(own)) + _until(socket, _snapshot)
        assert {frame["id"] for frame in frames if frame["type"] == "project_task"} == {own}
        ready = frames[0]
        assert (ready["type"], ready["project"], ready["operator"]) == ("project_ready", "other", False)
        for snapshot in filter(_snapshot, frames):
            assert all(queue["project"] == "other" for queue in snapshot["queues"])
            assert all(task["id"] != foreign for task in snapshot["running"])
            assert all("host" not in worker for worker in snapshot["workers"])

    def test_an_operator_sees_all_projects_but_no_token_prompt_or_picture(self, easel: Easel):
        other = easel.new_project("watched", AuthMethod.KEY)
        with _watching(easel) as socket:
            task_id = _run(easel, other, prompt="a private wish")
            frames = _until(socket, _end_of(task_id))
        assert frames[0]["operator"] is True
        assert {frame["project"] for frame in frames if frame.get("id") == task_id} == {"watched"}
        detail = easel.post("Task/Detail", {"taskid": task_id}, headers=signed(other)).json()["tasklist"][0]
        told = json.dumps(frames)
        for secret in (detail["socketaccesstoken"], detail["outputs"][0]["url"], "private wish", other.api_key):
            assert secret not in told

    @pytest.mark.parametrize("how", ["revoked", "another key", "another secret"])
    def test_whose_proof_no_longer_holds_is_turned_out(self, easel: Easel, how: str):
        gone = easel.new_project(f"gone {how}", AuthMethod.SIGNATURE)
        store = SqlProjectStore(easel.database)
        with _watching(easel, gone) as socket, _watching(easel) as operator:
            _until(socket, _snapshot)
            project = store.by_name(f"gone {how}")
            assert project is not None
            other = {"another key": {"key_hash": "another"}, "another secret": {"secret_encrypted": b"another"}}
            if how == "revoked":
                store.set_revoked(project.id, revoked=True)
            else:
                assert store.rotate(project, replace(project.credential, **other[how]), grace_seconds=0)
            with pytest.raises(ConnectionClosed) as closed:
                _until(socket, lambda _: False)
            assert closed.value.rcvd
            assert closed.value.rcvd.code == 1008
            _until(operator, _end_of(_run(easel)))

    def test_a_replaced_key_watches_until_it_has_retired(self, easel: Easel):
        old = easel.new_project("in grace", AuthMethod.KEY)
        store = SqlProjectStore(easel.database)
        with _watching(easel, old) as socket:
            _until(socket, _snapshot)
            project = store.by_name("in grace")
            assert project is not None
            assert store.rotate(project, replace(project.credential, key_hash="its next"), grace_seconds=60)
            _until(socket, _end_of(_run(easel, old)))
            store.end_grace(project.id)
            with pytest.raises(ConnectionClosed):
                _until(socket, lambda _: False)


class TestWhat:
    def test_the_whole_story_of_a_task_once_and_in_order(self, easel: Easel):
        with _watching(easel) as socket:
            _until(socket, _snapshot)
            task_id = _run(easel)
            frames = _until(socket, _end_of(task_id))
            frames += _until(socket, _snapshot) + _until(socket, _snapshot)
        story = [frame for frame in frames if frame.get("id") == task_id]
        assert [frame["seq"] for frame in story] == list(range(1, len(story) + 1))
        assert [frame["event"] for frame in story][::9] == ["task_queue", "task_postprocess_end"]
        end = story[-1]
        assert (end["outcome"], end["pexit"], end["message"]) == ("succeeded", "0", "")
        assert 0 <= end["drawn"] <= end["seconds"] < 60

    def test_a_failure_says_why(self, easel: Easel):
        with _watching(easel) as socket:
            task_id = _run(easel, prompt="fails <fake:fails_at_step:2>")
            end = _until(socket, _end_of(task_id))[-1]
        assert end["outcome"] == "failed"
        assert "asked to fail at step 2" in end["message"]

    def test_snapshots_show_steps_workers_and_queues_once_a_second_at_most(self, easel: Easel):
        with _watching(easel) as socket:
            task_id = _run(easel, prompt="slow <fake:slow>", steps="40")
            moving = _until(socket, lambda it: _snapshot(it) and any((one["step"] or 0) > 2 for one in it["running"]))
            began, snapshots = time.monotonic(), 0
            while time.monotonic() < began + 3:
                snapshots += _snapshot(json.loads(socket.recv(10)))
            easel.post("Task/Kill", {"taskid": task_id})
        (running,) = [one for one in moving[-1]["running"] if one["id"] == task_id]
        assert (running["total"], running["phase"]) == (running["total"], "base")
        assert running["step"] < running["total"]
        (worker,) = moving[-1]["workers"]
        assert (worker["id"], worker["state"]) == (running["worker"], "ready")
        assert 2 <= snapshots <= 4

    def test_the_last_hour_comes_first_by_the_minute(self, easel: Easel):
        with _watching(easel) as socket:
            _until(socket, _end_of(_run(easel)))
        with _watching(easel) as socket:
            ready = json.loads(socket.recv(10))
        assert ready["type"] == "project_ready"
        assert sum(minute["succeeded"] for minute in ready["minutes"]) >= 1
        assert all(minute["at"] % 60 == 0 and minute["median"] <= minute["tail"] for minute in ready["minutes"])

    def test_a_socket_may_follow_tasks_by_token_as_well(self, easel: Easel):
        with _watching(easel) as socket:
            token = easel.run()["socketaccesstoken"]
            socket.send(json.dumps({"type": "task_info", "tasktoken": token}))
            frames = _until(socket, lambda frame: frame["type"] == "task_postprocess_end")
        assert [frame["tasktoken"] for frame in frames if frame["type"].startswith("task_")][-1] == token

    def test_asking_twice_changes_nothing(self, easel: Easel):
        with _watching(easel) as socket:
            socket.send(json.dumps({"type": "project_info", **_proof(easel.credentials)}))
            task_id = _run(easel)
            frames = _until(socket, _end_of(task_id)) + _until(socket, _snapshot)
        assert sum(frame["type"] == "project_ready" for frame in frames) == 1
        assert len({frame["seq"] for frame in frames if frame.get("id") == task_id}) == sum(
            frame.get("id") == task_id for frame in frames
        )


class TestResuming:
    def test_what_came_while_nobody_listened_is_told_and_nothing_twice(self, easel: Easel):
        with _watching(easel) as socket:
            known = _run(easel)
            frames = _until(socket, _end_of(known)) + _until(socket, _snapshot)
        seqs: dict[str, int] = {}
        for frame in frames:
            if frame["type"] == "project_task":
                seqs[frame["id"]] = max(frame["seq"], seqs.get(frame["id"], 0))
        missed = easel.finish()["id"]
        with _watching(easel, since=frames[-1]["since"], seqs=seqs) as socket:
            resumed = _until(socket, _end_of(missed)) + _until(socket, _snapshot)
        told = [(frame["id"], frame["seq"]) for frame in resumed if frame["type"] == "project_task"]
        assert not [one for one in told if one[1] <= seqs.get(one[0], 0)]
        assert [seq for task_id, seq in told if task_id == missed] == list(range(1, 11))

    @pytest.mark.parametrize("since", [-1e300, 0, 1e300, "yesterday", None, True, float("nan")])
    def test_nonsense_is_forgiven(self, easel: Easel, since):
        with _watching(easel, since=since, seqs={"x": 1, "7": "no"}) as socket:
            assert json.loads(socket.recv(10))["type"] == "project_ready"
            _until(socket, _snapshot)


MANY, AT_ONCE = 4000, 500
LONG = "x" * 2000
"""A model's name that makes long frames: sooner or later every buffer on the way is full."""


class Loud:
    """An API over stores in memory, with one claimed task that can say very much."""

    def __init__(self, folder: Path) -> None:
        wiring = replace(memory_wiring(folder), sockets=SocketLimits(send_seconds=1.0))
        assert isinstance(wiring.tasks, MemoryStores)
        self.stores = wiring.tasks
        self.credentials = create_project(self.stores, wiring.secrets, "one", AuthMethod.KEY)
        project = self.stores.by_name("one")
        assert project is not None
        self.stores.submit(new_task(project.id, model=LONG))
        claimed = self.stores.claim(WORKER, [LONG], 600)
        assert claimed is not None
        self.lease = claimed.lease
        self.api = ApiThread(wiring, Settings(port=0))

    @contextmanager
    def watch(self, *, narrow: bool = False):
        link = socket.socket()
        if narrow:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        link.connect(("127.0.0.1", self.api.port))
        options = {"max_queue": 1 if narrow else None, "ping_interval": None}
        with connect(f"ws://127.0.0.1:{self.api.port}/v1", sock=link, proxy=None, **options) as opened:
            opened.send(json.dumps({"type": "project_info", **_proof(self.credentials)}))
            yield opened

    def shout(self) -> int:
        """Write many lines; return the seq of the last."""
        for _ in range(MANY // AT_ONCE):
            self.stores.write(self.lease, [Append((NewEvent(EventType.ERROR, "x"),) * AT_ONCE)])
        return MANY + 2

    def closed_slow(self) -> bool:
        text = httpx2.get(f"http://127.0.0.1:{self.api.port}/metrics", trust_env=False).text
        return 'easel_sockets_closed_slow_total{process=""} 1.0' in text


@pytest.fixture
def loud(tmp_path: Path):
    running = Loud(tmp_path)
    running.api.start()
    yield running
    running.api.stop()


def _read_on(link) -> None:
    while True:
        link.recv(30)


def test_who_does_not_read_is_closed_and_counted_and_others_hear_all(loud: Loud):
    with loud.watch(narrow=True) as stuck, loud.watch() as reader:
        _until(reader, _snapshot)
        last = loud.shout()
        frames = _until(reader, lambda frame: frame.get("seq") == last, 120)
        told = [it["seq"] for it in frames if it["type"] == "project_task"]
        assert told[-MANY:] == list(range(last - MANY + 1, last + 1))
        deadline = time.monotonic() + 30
        while not loud.closed_slow():
            assert time.monotonic() < deadline
            time.sleep(0.2)
        with pytest.raises(ConnectionClosed) as closed:
            _read_on(stuck)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1013
