"""What is measured: `easel api` in a process of its own on a fresh SQLite file, and the references beside it."""

import json
import socket
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx2
from sqlalchemy import text

from server.adapters.sql.schema import upgrade
from server.domain.project import AuthMethod
from server.services.projects import Credentials
from tests.e2e.processes import Site, eventually, free_port, open_site
from tests.serving import BODY, signed

MODEL: Final = "hevok/studio-trigger"
_FIELD: Final = {
    "EASEL_LEASE_SECONDS": "30",
    "EASEL_HEARTBEAT_SECONDS": "5",
    "EASEL_QUEUE_LIMIT": "100000",
    "EASEL_QUEUE_LIMIT_TOTAL": "100000",
    "EASEL_SOCKETS_PER_ADDRESS": "0",
}
"""The times of the field, and limits that are counted but never reached."""


@dataclass(frozen=True, slots=True)
class Served:
    """A process that answers on a port."""

    pid: int
    port: int
    credentials: Credentials


@dataclass(frozen=True, slots=True)
class Stage:
    """Easel's API, and the folder and database it works on."""

    served: Served
    site: Site

    def submit(self) -> str:
        """Queue a task; return its token."""
        headers = signed(self.served.credentials)
        url = f"http://127.0.0.1:{self.served.port}/v1/Run/{MODEL}"
        return httpx2.post(url, json=BODY, headers=headers, trust_env=False).json()["socketaccesstoken"]

    def empty_the_queue(self) -> None:
        """Take every queued task out, so that no repeat meets more of them than the one before."""
        cancel = text("UPDATE tasks SET status = 'task_cancel' WHERE status = 'task_queue'")
        self.site.database.write(lambda connection: connection.execute(cancel))


@contextmanager
def easel(folder: Path) -> Generator[Stage]:
    """Start `easel api`."""
    folder.mkdir(parents=True)
    with open_site(folder, f"sqlite:///{(folder / 'easel.db').absolute()}", **_FIELD) as site:
        upgrade(site.database)
        credentials = site.project("bench", AuthMethod.SIGNATURE)
        process = site.api()
        yield Stage(Served(process.pid, site.port, credentials), site)


def another_api(stage: Stage) -> Served:
    """Start one more `easel api` beside the first, on the same database."""
    port = free_port()
    process = stage.site.start("api", EASEL_PORT=str(port))
    eventually(lambda: _listens(port), within=20)
    return Served(process.pid, port, stage.served.credentials)


@contextmanager
def reference(kind: str, folder: Path) -> Generator[Served]:
    """Start one of `bench.reference`."""
    folder.mkdir(parents=True)
    port = free_port()
    command = [sys.executable, "-m", "bench.reference", kind, str(port), str(folder)]
    with (folder / "log").open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out)  # noqa: S603 our own module
    try:
        eventually(lambda: _listens(port) or process.poll() is not None, within=60)
        if process.poll() is not None:
            raise RuntimeError((folder / "log").read_text())
        made = folder / "credentials.json"
        known = Credentials(*json.loads(made.read_text())) if made.exists() else Credentials("", "", None)
        yield Served(process.pid, port, known)
    finally:
        process.kill()
        process.wait()


@contextmanager
def temporary_folder() -> Generator[Path]:
    """Return a folder that is removed in the end."""
    with tempfile.TemporaryDirectory(prefix="easel-bench-") as name:
        yield Path(name)


def _listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False
