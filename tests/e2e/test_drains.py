"""An operator lets workers rest, one by name, while others go on."""

import os
import subprocess
import sys

from server.adapters.sql.workers import SqlWorkerRegistry
from server.domain.lifecycle import RUNNING, TaskStatus
from tests.e2e.processes import Site, ends, eventually


def easel(site: Site, *words: str) -> str:
    command = [sys.executable, "-m", "server.entrypoints.cli", *words]
    environment = {**os.environ, **site.environment, "COLUMNS": "200"}
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True, timeout=60)
    return done.stdout if done.returncode == 0 else done.stderr


def state_of(site: Site, name: str) -> list[str]:
    line = next(line for line in easel(site, "workers", "list").splitlines() if line.strip().startswith(name))
    return line.split()


def test_a_drained_worker_finishes_and_rests_until_it_is_resumed(any_site: Site):
    site = any_site
    api, attic = site.api(), site.worker(EASEL_WORKER_NAME="attic", EASEL_FAKE="step_ms=50")
    client = site.client(site.project("one"))
    first = client.run(steps="40")["taskid"]
    site.wait_until_drawing(first)

    assert "finishes what it holds" in easel(site, "workers", "drain", "attic")
    site.wait_for_status(first, TaskStatus.POSTPROCESS_END)
    eventually(lambda: "drained" in state_of(site, "attic"))
    second = client.run(steps="2")["taskid"]
    site.start("worker", EASEL_WORKER_NAME="cellar").wait_for("engine ready")
    site.wait_for_status(second, TaskStatus.POSTPROCESS_END)
    assert "cellar" in easel(site, "workers", "list")
    easel(site, "workers", "drain", "cellar")
    eventually(lambda: "drained" in state_of(site, "cellar"))
    third = client.run(steps="2")["taskid"]
    easel(site, "workers", "resume", "attic")
    site.wait_for_status(third, TaskStatus.POSTPROCESS_END)

    assert ends(site.story(first)) == ends(site.story(second)) == ends(site.story(third)) == 1
    assert site.story(first).task.attempt == 1
    assert attic.popen.poll() is None
    assert api.popen.poll() is None


def test_one_that_is_to_leave_finishes_first_and_takes_its_row_along(any_site: Site):
    site = any_site
    site.api()
    attic = site.worker(EASEL_WORKER_NAME="attic", EASEL_FAKE="step_ms=50")
    task = site.client(site.project("one")).run(steps="40")["taskid"]
    site.wait_until_drawing(task)

    assert "then leave" in easel(site, "workers", "drain", "attic", "--leave")

    assert attic.wait(30) == 0
    assert site.status(task) is TaskStatus.POSTPROCESS_END
    assert site.ids_in(*RUNNING) == set()
    assert SqlWorkerRegistry(site.database).seen() == []


def test_nobody_of_that_name(any_site: Site):
    assert "There is no worker named attic. Look at: easel workers list" in easel(any_site, "workers", "drain", "attic")
    assert "There are none." in easel(any_site, "workers", "list")
