"""The manifest as Kubernetes' own schema takes it, and what it must say beyond that."""

import re
from typing import Any

import pytest
import yaml

from server.settings import PREFIX, Settings
from tests.containers.conftest import ROOT

pytestmark = pytest.mark.containers

TEXT = (ROOT / "docker" / "kubernetes.yaml").read_text()
OBJECTS: list[dict[str, Any]] = list(yaml.safe_load_all(TEXT))
PODS = {
    each["metadata"]["name"]: each["spec"]["template"]["spec"] for each in OBJECTS if "template" in each.get("spec", {})
}


@pytest.mark.parametrize("thing", OBJECTS, ids=lambda each: f"{each['kind']}-{each['metadata']['name']}")
def test_kubernetes_takes_it(thing):
    import kubernetes_validate  # noqa: PLC0415 of the extra `containers`

    kubernetes_validate.validate(thing, "1.37", strict=True)


def test_every_setting_of_it_exists():
    named = set(re.findall(rf"\b{PREFIX}[A-Z_]+\b", TEXT))

    assert len(named) > 5
    assert named - {PREFIX + name.upper() for name in Settings.model_fields} == set()


@pytest.mark.parametrize("name", PODS)
def test_every_pod_is_confined(name):
    (container,) = PODS[name]["containers"]

    assert PODS[name]["securityContext"]["runAsUser"] == 10001
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert {"/data", "/tmp", "/secrets"} <= {mount["mountPath"] for mount in container["volumeMounts"]}
    assert {mount["name"] for mount in container["volumeMounts"]} <= {each["name"] for each in PODS[name]["volumes"]}


def test_workers_get_a_gpu_a_check_and_time_to_finish():
    pod = PODS["easel-worker"]
    (worker,) = pod["containers"]
    drain = next(each["value"] for each in worker["env"] if each["name"] == "EASEL_DRAIN_SECONDS")

    assert worker["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert worker["startupProbe"]["exec"]["command"] == ["easel", "worker", "--check"]
    assert pod["terminationGracePeriodSeconds"] > int(drain)
