"""Live servers for the conformance suite: `easel up` in a process of its own, once with each engine."""

import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

import pytest

from server.domain.project import AuthMethod
from server.services.projects import Credentials
from tests.conformance.clients.base import Door
from tests.e2e.processes import Site, open_site
from tests.serving import Easel

UNHINDERED = {"EASEL_AUTH_FAILURES_PER_MINUTE": "0", "EASEL_QUEUE_LIMIT": "0", "EASEL_WEBHOOK_ALLOW": "127.0.0.1"}
ONE_AT_A_TIME = {"EASEL_IN_FLIGHT": "1"}
"""So that a queue forms behind what is being drawn."""
PATIENT = {"EASEL_LEASE_SECONDS": "60", "EASEL_HEARTBEAT_SECONDS": "5", "EASEL_STOP_SECONDS": "10"}
"""Nothing dies here: a worker that is slow because the machine is must not lose its task."""
ENGINES = {
    "fake": {"EASEL_ENGINE": "fake", "EASEL_FAKE": "step_ms=5"},
    "miniature": {"EASEL_ENGINE": "sdxl", "EASEL_DEVICE": "cpu", "EASEL_MINIATURE": "true"},
}


@dataclass
class Server:
    """A running easel, and a new project whenever one is wanted."""

    site: Site
    cold: "ColdRun"
    _numbers: "count[int]"

    def credentials(self, auth: AuthMethod = AuthMethod.SIGNATURE) -> Credentials:
        return self.site.project(f"client {next(self._numbers)}", auth)

    def door(self, auth: AuthMethod = AuthMethod.SIGNATURE) -> Door:
        made = self.credentials(auth)
        return Door(self.site.port, made.api_key, made.api_secret)

    def easel(self) -> Easel:
        """A plain client with a project of its own."""
        return self.site.client(self.credentials())


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Server:
    """A server with the engine that the test names (engines.py); the fake one where it names none."""
    running: Server = request.getfixturevalue(f"{getattr(request, 'param', 'fake')}_server")
    return running


@pytest.fixture(scope="session")
def fake_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running("fake", tmp_path_factory) as server:
        yield server


@pytest.fixture(scope="session")
def miniature_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running("miniature", tmp_path_factory) as server:
        yield server


@contextmanager
def running(engine: str, folders: pytest.TempPathFactory) -> Generator[Server]:
    """Start `easel up`, send it a Run at once, and wait until it has its model loaded."""
    with open_site(folders.mktemp(engine), **UNHINDERED, **ONE_AT_A_TIME, **PATIENT, **ENGINES[engine]) as site:
        site.api("/healthz", command="up", within=100)
        cold = run_cold(site.client())
        site.client().wait_until_drawing_is_possible()
        yield Server(site, cold, count(1))


@dataclass(frozen=True)
class ColdRun:
    """What a Run got that came before the model was loaded, and how long it took."""

    answer: dict[str, Any]
    seconds: float


def run_cold(easel: Easel) -> ColdRun:
    before = time.monotonic()
    answer = easel.run(width="64", height="64")
    return ColdRun(answer, time.monotonic() - before)
