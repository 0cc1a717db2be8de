"""The profile without a GPU, its processes started as the files say: same commands and environment, no containers."""

import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from server.services.projects import Credentials
from tests.containers.conftest import ROOT, TOOLS, composed
from tests.e2e.processes import eventually, free_port
from tests.serving import signed

pytestmark = pytest.mark.containers

IMAGE = {"EASEL_HOST": "127.0.0.1"}  # the image listens on all addresses; a test on loopback alone


class Site:
    """The services, each with its environment; what containers would mount are folders here."""

    def __init__(self, services: dict[str, Any], secrets: Path, folder: Path, database_url: str) -> None:
        self._services = services
        self._places = {
            "/data": folder / "data",
            "/models": folder / "models",
            "/run/secrets": secrets,
            "postgresql://easel@db/easel": database_url,
        }
        for name in ("data", "models"):
            (folder / name).mkdir()
        self.port = free_port()
        self._folder = folder
        self._running: list[subprocess.Popen[bytes]] = []

    def environment(self, service: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("EASEL_")}
        set_there = {**image_environment(), **(self._services[service]["environment"] or {}), **IMAGE}
        return {**kept, **{name: self._here(value) for name, value in set_there.items()}, "EASEL_PORT": str(self.port)}

    def run(self, service: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(TOOLS / "easel"), *(arguments or self._services[service]["command"])]
        return subprocess.run(
            command,
            env=self.environment(service),
            cwd=self._folder,
            check=False,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def start(self, service: str) -> None:
        with (self._folder / f"{service}.log").open("wb") as log:
            command = [TOOLS / "easel", *self._services[service]["command"]]
            environment = self.environment(service)
            self._running.append(subprocess.Popen(command, env=environment, cwd=self._folder, stdout=log, stderr=log))

    def healthy(self, service: str) -> bool:
        return self.run(service, *health_command(service)).returncode == 0

    def stop(self) -> list[int]:
        for process in reversed(self._running):
            process.terminate()
        return [process.wait(60) for process in self._running]

    def _here(self, value: str) -> str:
        for there, here in self._places.items():
            if value == there or (there.startswith("/") and value.startswith(there)):
                return value.replace(there, str(here), 1)
        return value


def image_environment() -> dict[str, str]:
    """What the image sets of easel's own variables."""
    return dict(re.findall(r"\b(EASEL_\w+)=(\S+)", (ROOT / "Dockerfile").read_text()))


def health_command(service: str) -> list[str]:
    """The image's health check, without the program's name."""
    checks = re.findall(r"HEALTHCHECK .* CMD (\[.*\])", (ROOT / "Dockerfile").read_text())
    program, *arguments = next(words for words in map(json.loads, checks) if words[1] == service)
    assert program == "easel"
    return arguments


@pytest.fixture
def site(docker, tmp_path, postgres_cluster) -> Iterator[Site]:
    services = composed(docker, "compose.yaml", "compose.cpu.yaml")["services"]
    url = postgres_cluster.new_database()
    made = Site(services, docker / "secrets", tmp_path, url)
    try:
        yield made
    finally:
        made.stop()
        postgres_cluster.drop(url)


@pytest.mark.timeout(300)
def test_the_first_day_without_a_gpu(site):
    assert "schema" in site.run("migrate").stdout
    assert not site.healthy("api")
    assert "No worker on" in site.run("worker", *health_command("worker")).stderr
    site.start("api")
    site.start("worker")
    eventually(lambda: site.healthy("api"), within=60, every=1)
    eventually(lambda: site.healthy("worker"), within=120, every=2)
    made = json.loads(site.run("api", "project", "create", "studio", "--json").stdout)
    headers = signed(Credentials(made["name"], made["apiKey"], made["apiSecret"]))

    def call(path: str, body: dict[str, str]) -> Any:
        return httpx2.post(
            f"http://127.0.0.1:{site.port}/v1/{path}", json=body, headers=headers, trust_env=False
        ).json()

    asked = {"prompt": "a red circle on a blue background", "width": "128", "height": "128", "steps": "4"}
    token = call("Run/hevok/studio-trigger", asked)["socketaccesstoken"]
    deadline = time.monotonic() + 60
    while (task := call("Task/Detail", {"tasktoken": token})["tasklist"][0])["status"] != "task_postprocess_end":
        assert time.monotonic() < deadline, task
        time.sleep(0.2)

    assert task["pexit"] == "0"
    picture = httpx2.get(task["outputs"][0]["url"], trust_env=False)
    assert picture.content.startswith(b"\x89PNG")
    assert site.stop() == [0, 0]
