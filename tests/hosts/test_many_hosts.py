"""One host serves, one draws with two workers, one stores, one asks; and a host is cut off and comes back."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

from server.adapters.sql.event_log import SqlEventLog
from server.adapters.sql.projects import SqlProjectStore
from server.domain.project import AuthMethod
from server.domain.types import TaskId
from server.entrypoints.opening import open_settled_database, secret_box
from server.services.projects import create_project
from server.settings import Settings
from tests.e2e.processes import SHORT, ends, eventually
from tests.hosts.network import NET, Host, impossible, network
from tests.postgres import Cluster, running_cluster
from tests.s3 import CREDENTIALS, s3_server

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(900)]

TASKS = 500
REAL_TASKS = 10


@dataclass
class Site:
    """The hosts, and what runs on them."""

    front: Host
    gpus: Host
    shop: Host
    folder: Path
    environment: dict[str, str]
    settings: Settings
    started: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def start(self, host: Host, *words: str, **settings: str) -> Path:
        """Start a command there; return its log."""
        log = self.folder / f"{len(self.started)}.log"
        with log.open("wb") as out:
            command = [*host.inside, sys.executable, "-m", "server.entrypoints.cli", *words]
            environment = {**os.environ, **self.environment, **settings}
            self.started.append(subprocess.Popen(command, env=environment, stdout=out, stderr=out))
        return log

    def workers(self, **settings: str) -> None:
        """Start two, and wait until they can draw."""
        logs = [self.start(self.gpus, "worker", "--name", name, **settings) for name in ("left", "right")]
        eventually(lambda: all("engine ready" in log.read_text() for log in logs), within=120, every=0.2)

    def ask(self, key: str, count: int, body: dict[str, str]) -> "subprocess.Popen[str]":
        """Let the client begin."""
        url = f"http://{self.front.address}:8000"
        command = [
            *self.shop.inside,
            sys.executable,
            "-m",
            "tests.hosts.client",
            url,
            key,
            str(count),
            json.dumps(body),
        ]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def stop(self) -> list[int]:
        for each in reversed(self.started):
            each.send_signal(signal.SIGTERM)
        codes = [each.wait(60) for each in reversed(self.started)]
        self.started.clear()
        return codes

    def close(self) -> None:
        for each in self.started:
            each.kill()
            each.wait()


@contextmanager
def moved(cluster: Cluster, store: Host) -> Iterator[str]:
    """Let the cluster run on a host and listen there; give its URL on the wire."""
    cluster.stop("fast")
    folder, server = cluster._folder, cluster._server
    with (folder / "pg_hba.conf").open("a") as rules:
        rules.write(f"\nhost all all {NET}.0/24 trust\n")
    options = f"-h {store.address} -k {folder}"
    program, log = str(server.bin_path / "pg_ctl"), str(folder / "log")
    command = [program, "-w", "-D", str(folder), "-o", options, "-l", log, "start"]
    as_owner = ["runuser", "-u", server.system_user, "--"] if server.system_user else []
    subprocess.run([*store.inside, *as_owner, *command], check=True, stdout=subprocess.DEVNULL, timeout=60)
    cluster._admin = psycopg.connect(cluster.url("postgres"), autocommit=True)
    yield f"postgresql://postgres@{store.address}/"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    why = impossible()
    if why is not None:
        pytest.skip(why)
    with (
        network("front", "gpus", "store", "shop") as (front, gpus, store, shop),
        running_cluster() as cluster,
        moved(cluster, store) as there,
        s3_server(tmp_path, store.address, *store.inside) as s3,
    ):
        bucket = "easel-hosts"
        make = (
            f"from tests.s3 import S3Server as S; S({s3.host!r}, {s3.port}).client().create_bucket(Bucket={bucket!r})"
        )
        made = [*store.inside, sys.executable, "-c", make]
        subprocess.run(made, check=True, env={**os.environ, **CREDENTIALS}, timeout=60)
        url = cluster.new_migrated_database()
        name = url.partition("?")[0].rpartition("/")[2]
        (tmp_path / "data").mkdir()
        environment = {
            **SHORT,
            **CREDENTIALS,
            "EASEL_DATA_DIR": str(tmp_path / "data"),
            "EASEL_DATABASE_URL": there + name,
            "EASEL_FILES_URL": s3.url(bucket),
            "EASEL_HOST": front.address,
            "EASEL_QUEUE_LIMIT": "0",
            "EASEL_MINIATURE": "1",
        }
        site = Site(front, gpus, shop, tmp_path, environment, Settings(data_dir=tmp_path / "data", database_url=url))
        try:
            yield site
        finally:
            site.close()


def check(site: Site, told: dict[str, Any], count: int) -> int:
    """All is there, once, and the client has seen every event of it; return how many attempts it took."""
    database = open_settled_database(site.settings)
    attempts = 0
    try:
        assert len(told) == count
        for token, story in told.items():
            assert (story["status"], story["pexit"], story["head"]) == ("task_postprocess_end", "0", "89504e47"), story
            with psycopg.connect(site.settings.database_url) as connection:
                row = connection.execute("SELECT id FROM tasks WHERE token = %s", (token,)).fetchone()
            assert row is not None
            written = SqlEventLog(database).story(TaskId(row[0]))
            assert written is not None
            assert ends(written) == 1
            seen = [tuple(frame) for frame in story["frames"]]
            assert seen == [(event.seq, event.type.value) for event in written.events]
            attempts += written.task.attempt
    finally:
        database.close()
    return attempts


def test_a_host_is_cut_off_and_nothing_is_lost(site: Site):
    database = open_settled_database(site.settings)
    key = create_project(SqlProjectStore(database), secret_box(site.settings), "shop", AuthMethod.KEY).api_key
    database.close()
    fake = {"EASEL_ENGINE": "fake", "EASEL_FAKE": "step_ms=10"}
    site.start(site.front, "api", **fake)
    site.workers(**fake)
    client = site.ask(key, TASKS, {"prompt": "a fox", "width": "64", "height": "64", "steps": "12"})

    for seconds in (6.0, 25.0):  # longer than a lease; longer than TCP waits for an answer
        time.sleep(8)
        site.gpus.unplug()
        time.sleep(seconds)
        site.gpus.plug_in()
    told = json.loads(client.communicate(timeout=500)[0])

    attempts = check(site, told, TASKS)
    assert attempts > TASKS, "the cuts came when nothing was being drawn"
    assert site.stop() == [0, 0, 0]
    site.start(site.front, "api")
    site.workers()
    real = site.ask(key, REAL_TASKS, {"prompt": "a red circle", "width": "128", "height": "128", "steps": "4"})
    check(site, json.loads(real.communicate(timeout=300)[0]), REAL_TASKS)
    assert site.stop() == [0, 0, 0]
