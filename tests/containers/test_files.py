"""What Docker's own tools say about the files."""

import subprocess
from pathlib import Path

import pytest

from tests.containers.conftest import ROOT, TOOLS, composed

pytestmark = pytest.mark.containers

FILES = [
    ("compose.yaml",),
    ("compose.yaml", "compose.cpu.yaml"),
    ("compose.yaml", "compose.gpus.yaml"),
]
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


def test_files_go_to_a_bucket_by_one_line(docker, monkeypatch):
    assert "bucket" not in composed(docker, "compose.yaml")["services"]
    monkeypatch.setenv("BUCKET", "s3://easel/files?endpoint=http://bucket:8333")

    services = composed(docker, "compose.yaml", "compose.gpus.yaml", profiles=["bucket"])["services"]

    for name in ("api", "worker", "worker-1"):
        assert services[name]["environment"]["EASEL_FILES_URL"] == "s3://easel/files?endpoint=http://bucket:8333"
        credentials = services[name]["environment"]["AWS_SHARED_CREDENTIALS_FILE"]
        assert Path(credentials).parent.as_posix() in {each["target"] for each in services[name]["volumes"]}
    assert services["bucket"]["networks"].keys() == {"inside"}
    assert "ports" not in services["bucket"]


def test_figures_are_gathered_only_where_they_are_asked_for(docker):
    assert {"prometheus", "grafana"}.isdisjoint(composed(docker, "compose.yaml")["services"])

    services = composed(docker, "compose.yaml", profiles=["monitoring"])["services"]

    for name, folder in {"prometheus": "prometheus", "grafana": "grafana"}.items():
        (mounted,) = [each for each in services[name]["volumes"] if each["source"] == str(docker / folder)]
        assert mounted["read_only"] is True
        assert services[name]["read_only"] is True
    assert services["grafana"]["ports"][0]["host_ip"] == "127.0.0.1"
    assert "ports" not in services["prometheus"]
