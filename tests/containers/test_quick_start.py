"""The README's quick start for a host with a GPU: its lines run here as far as no container is needed for them."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from bench.gpu_device import decode_flops, unet_flops
from tests.containers.conftest import ROOT, TOOLS, composed

pytestmark = pytest.mark.containers

README = (ROOT / "README.md").read_text()
SECTION = README.partition("## On a host with a GPU")[2].partition("\n## ")[0]
LINES = re.search(r"```sh\n(.*?)```", SECTION, re.DOTALL)[1].splitlines()
FIVE = r"\| (\d+ GB) \| (base(?: and refiner)?) \| (\w+) \| ([\d.]+ GiB) \| ([\d.]+ GiB) \|"
ROW = re.compile(rf"^{FIVE}(.*)\|$", re.MULTILINE)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "docker", tmp_path / "docker", ignore=shutil.ignore_patterns("secrets", ".env", "bucket"))
    return tmp_path


def test_the_files_that_it_makes_are_what_compose_reads(checkout: Path):
    made = [line.partition("#")[0] for line in LINES if not line.startswith("docker ")]
    assert len(made) == 3
    subprocess.run(["bash", "-euc", "\n".join(made)], cwd=checkout, check=True)

    services = composed(checkout / "docker", "compose.yaml")["services"]

    password = checkout / "docker" / "secrets" / "database_password"
    assert (password.stat().st_mode & 0o777, password.parent.stat().st_mode & 0o777) == (0o444, 0o700)
    assert len(password.read_text().strip()) == 48
    weights = next(each for each in services["worker"]["volumes"] if each["target"] == "/models")
    assert weights["source"] == "/path/to/your/weights"


def test_its_commands_exist():
    spoken = [re.search(r"exec (\w+) (easel .*?)(?: +#|$)", line) for line in LINES]
    commands = {(each[1], each[2]) for each in spoken if each}

    assert commands == {("worker", "easel doctor"), ("api", "easel project create studio --json")}
    for _, command in commands:
        words = [word for word in command.split()[1:] if word.isalpha()][:2]
        done = subprocess.run([TOOLS / "easel", *words, "--help"], check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_its_table_is_the_plan_of_memory():
    told = {row[:5] for row in ROW.findall(SECTION)}
    planned = re.findall(rf"^{FIVE}$", (ROOT / "docs" / "hardware.md").read_text(), re.MULTILINE)

    assert len(told) == 8
    assert told == set(planned)


def test_its_times_are_counted():
    configs = json.loads((ROOT / "bench" / "sdxl" / "sdxl-1.0.json").read_text())
    base, refiner = (unet_flops(configs, name, 1024, 1024) / 1e12 for name in ("base_unet", "refiner_unet"))
    decode = decode_flops(configs, 1024, 1024) / 1e12
    work = {"base": 80 * base + decode, "base and refiner": 2 * (32 * base + 8 * refiner) + decode}

    assert f"{work['base']:.0f} TFLOP" in SECTION
    for _, weights, _, _, _, times in ROW.findall(SECTION):
        told = [float(each) for each in re.findall(r"([\d.]+) s", times)]
        assert told == pytest.approx([work[weights] / rate for rate in (20, 50, 100)], rel=0.03)
