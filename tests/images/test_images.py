"""The Dockerfile's two images, built and started: small without torch, as nobody, on a root that can't be written."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import psutil
import pytest

from server.adapters.sql.engines import open_database
from server.services.projects import Credentials
from server.settings import Settings
from tests.e2e.processes import eventually, free_port
from tests.images.builder import Builder, Container, builder, impossible
from tests.serving import Easel

pytestmark = [pytest.mark.images, pytest.mark.timeout(3600)]

CPU_INDEX = "https://download.pytorch.org/whl/cpu"
USER = 10001


@pytest.fixture(scope="module")
def built() -> Iterator[Builder]:
    why = impossible()
    if why is not None:
        pytest.skip(why)
    with builder() as made:
        made.base()
        yield made


@pytest.fixture(scope="module")
def api(built: Builder) -> Container:
    return built.open(built.build("api"))


@pytest.fixture(scope="module")
def worker(built: Builder, api: Container) -> Container:
    index = "" if os.environ.get("PIP_FIND_LINKS") else CPU_INDEX
    return built.open(built.build("worker", f"TORCH_INDEX={index}"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A volume as the image makes it: its user's own."""
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    os.chown(folder, USER, USER)
    for above in folder.parents[:3]:
        above.chmod(above.stat().st_mode | 0o011)
    return folder


def size(container: Container) -> float:
    done = subprocess.run(["du", "-sxm", str(container.tree)], check=True, capture_output=True, text=True)
    return int(done.stdout.split()[0]) / 1000


def test_the_api_image_is_small_and_has_no_torch(api: Container, data: Path):
    assert api.run(data, "python", "-c", "import server.entrypoints.api, botocore") == 0
    assert api.run(data, "python", "-c", "import torch") == 1
    assert size(api) < 0.7
    assert api.config["User"] == f"{USER}:{USER}"
    assert api.config["Labels"]["org.opencontainers.image.licenses"] == "Apache-2.0"


def test_nothing_of_the_root_can_be_written(api: Container, data: Path):
    for place in ("/opt/easel/x", "/home/easel/x", "/x"):
        assert api.run(data, "touch", place) != 0
    for place in ("/data/x", "/tmp/x"):
        assert api.run(data, "touch", place) == 0


def test_the_images_serve_a_signed_run_on_the_cpu(api: Container, worker: Container, data: Path):
    port = free_port()
    settings = {"EASEL_HOST": "127.0.0.1", "EASEL_PORT": str(port), "EASEL_MINIATURE": "1", "EASEL_DEVICE": "cpu"}
    assert api.run(data, "easel", "db", "upgrade", **settings) == 0
    assert api.run(data, *api.health, **settings) == 1
    running = [api.start(data, *api.command, **settings), worker.start(data, *worker.command, **settings)]
    try:
        eventually(lambda: api.run(data, *api.health, **settings) == 0, within=300, every=1)
        eventually(lambda: worker.run(data, *worker.health, **settings) == 0, within=300, every=2)
        assert {psutil.Process(each.pid).uids().real for each in running} == {USER}
        made = json.loads(api.said(data, "easel", "project", "create", "one", "--json", **settings))
        credentials = Credentials(made["name"], made["apiKey"], made["apiSecret"])
        database = open_database(
            f"sqlite:///{data.parent / 'unused.db'}"
        )  # none of its own: all goes through the container's API
        easel = Easel(port, credentials, database, Settings(data_dir=data))
        task = easel.finish(prompt="a red circle on a blue background", width="128", height="128", steps="4")
        assert task["pexit"] == "0", task
        assert httpx2.get(task["outputs"][0]["url"], trust_env=False).content.startswith(b"\x89PNG")
    finally:
        for each in reversed(running):
            each.terminate()
        codes = [each.wait(60) for each in reversed(running)]
    assert codes == [0, 0]
