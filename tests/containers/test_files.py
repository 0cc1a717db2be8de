"""What Docker's own tools say about the files."""

import subprocess

import pytest

from tests.containers.conftest import ROOT, TOOLS, composed

pytestmark = pytest.mark.containers

FILES = [("compose.yaml",), ("compose.yaml", "compose.cpu.yaml"), ("compose.yaml", "compose.gpus.yaml")]
OURS = {"migrate", "api", "worker", "worker-1"}


def test_the_dockerfile_is_clean():
    done = subprocess.run(
        [TOOLS / "hadolint", ROOT / "Dockerfile"], check=False, capture_output=True, text=True, timeout=60
    )

    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("files", FILES, ids="+".join)
def test_compose_takes_the_files(docker, files):
    services = composed(docker, *files)["services"]

    assert {"db", "migrate", "api", "worker", "caddy"} <= set(services)
    for name in OURS & set(services):
        service = services[name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["environment"]["EASEL_DATABASE_PASSWORD_FILE"] == "/run/secrets/database_password"
        assert service["logging"]["options"]["max-size"]
        weights = next(volume for volume in service["volumes"] if volume["target"] == "/models")
        assert weights["read_only"] is True


def gpus(service):
    reserved = service["deploy"]["resources"].get("reservations") or {}
    return [index for device in reserved.get("devices", []) for index in device["device_ids"]]


def test_each_worker_has_a_gpu_of_its_own(docker):
    services = composed(docker, "compose.yaml", "compose.gpus.yaml")["services"]

    assert gpus(services["worker"]) == ["0"]
    assert gpus(services["worker-1"]) == ["1"]


def test_without_a_gpu_none_is_asked_for(docker):
    services = composed(docker, "compose.yaml", "compose.cpu.yaml")["services"]

    assert gpus(services["worker"]) == []
    assert services["worker"]["environment"]["EASEL_MINIATURE"] == "1"
    assert services["api"]["environment"]["EASEL_MINIATURE"] == "1"
