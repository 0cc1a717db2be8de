"""The release before the newest schema serves under load while the schema, and then its processes, are replaced."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest

from server.domain.lifecycle import TERMINAL, TaskStatus
from tests.e2e.processes import Process, Site, ends, eventually, free_port, open_site
from tests.postgres import Cluster
from tests.serving import signed

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def git(*words: str) -> bytes:
    done = subprocess.run(["git", "-C", str(ROOT), *words], check=False, capture_output=True)
    if done.returncode != 0:
        pytest.skip(f"The release before this one can't be had: git {words[0]} says {done.stderr.decode().strip()!r}.")
    return done.stdout


@pytest.fixture
def before(tmp_path: Path) -> Path:
    """The tree as it was before the newest migration came."""
    newest = git("log", "-1", "--diff-filter=A", "--format=%H", "--", "migrations/versions").decode().strip()
    tree = tmp_path / "before"
    tree.mkdir()
    content = git("archive", f"{newest}^", "server", "models", "pipelines", "migrations")
    subprocess.run(["tar", "-x", "-C", str(tree)], input=content, check=True)
    return tree


class Load:
    """Submits, looks and fetches without pause, by whichever API is the current one; notes all that fails."""

    def __init__(self, port: int, headers: dict[str, str]) -> None:
        self.port = port
        self._headers = headers
        self._stop = threading.Event()
        self.tasks: list[str] = []
        self.failed: list[str] = []
        self.calls = 0
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def _work(self) -> None:
        while not self._stop.wait(0.01):
            made = self._call(
                "Run/hevok/studio-trigger", {"prompt": "a fox", "steps": "3", "width": "64", "height": "64"}
            )
            if made:
                self.tasks.append(made["taskid"])
                self._call("Task/Detail", {"taskid": self.tasks[-1]})
                self._call("Task/List", {})

    def _call(self, path: str, body: dict[str, str]) -> dict[str, Any] | None:
        self.calls += 1
        url = f"http://127.0.0.1:{self.port}/v1/{path}"
        try:
            answer = httpx2.post(url, json=body, headers=self._headers, trust_env=False, timeout=30)
        except httpx2.HTTPError as error:
            self.failed.append(f"{path}: {error!r}")
            return None
        if answer.status_code != 200 or not answer.json()["result"]:
            self.failed.append(f"{path}: {answer.status_code} {answer.text[:200]}")
            return None
        return answer.json()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()


def upgrade(site: Site, *inside: str) -> None:
    command = [*inside, sys.executable, "-m", "server.entrypoints.cli", "db", "upgrade"]
    done = subprocess.run(command, env={**os.environ, **site.environment}, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def answers(process: Process, port: int) -> bool:
    assert process.popen.poll() is None, process.said
    try:
        return httpx2.get(f"http://127.0.0.1:{port}/readyz", trust_env=False).is_success
    except httpx2.TransportError:
        return False


@pytest.mark.timeout(300)
def test_no_request_fails(before: Path, tmp_path: Path, postgres_cluster: Cluster):
    url = postgres_cluster.new_database()
    old = ("env", "-C", str(before), f"PYTHONPATH={before}")
    settings = {"EASEL_FAKE": "step_ms=5", "EASEL_QUEUE_LIMIT": "0", "EASEL_DRAIN_SECONDS": "20"}
    with open_site(tmp_path / "data", url, **settings) as site:
        upgrade(site, *old)
        first = [site.start("api", inside=old), site.start("worker", inside=old), site.start("worker", inside=old)]
        eventually(lambda: answers(first[0], site.port), within=30)
        load = Load(site.port, signed(site.project("one")))
        eventually(lambda: len(site.ids_in(TaskStatus.POSTPROCESS_END)) > 10, within=60)

        upgrade(site)
        time.sleep(2)
        port = free_port()
        second = [site.start("api", EASEL_PORT=str(port)), site.start("worker")]
        eventually(lambda: answers(second[0], port), within=30)
        load.port = port
        time.sleep(1)
        for process in first:
            process.popen.terminate()
        assert [process.wait(40) for process in first] == [0, 0, 0]
        time.sleep(2)
        load.stop()

        assert load.failed == []
        assert len(load.tasks) > 20
        eventually(lambda: site.ids_in(*TERMINAL) == {int(task) for task in load.tasks}, within=120, every=0.5)
        assert {ends(site.story(task)) for task in load.tasks} == {1}
        assert {site.story(task).task.pexit for task in load.tasks} == {"0"}
    postgres_cluster.drop(url)
