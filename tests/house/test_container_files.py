"""The container files and the settings know the same names."""

import re
from pathlib import Path

from server.settings import PREFIX, Settings

DOCKER = Path(__file__).parents[2] / "docker"
FILES = [*DOCKER.glob("*.yaml"), *DOCKER.glob("caddy/*"), DOCKER.parent / "Dockerfile"]
SETTINGS = {PREFIX + name.upper() for name in Settings.model_fields}


def test_every_variable_of_the_files_is_a_setting():
    named = {name for file in FILES for name in re.findall(rf"\b{PREFIX}[A-Z_]+\b", file.read_text())}

    assert len(named) > 5
    assert named - SETTINGS == set()


def test_the_example_has_every_setting_and_no_other():
    lines = (DOCKER / "easel.env.example").read_text().splitlines()

    assert sorted(re.findall(rf"^#({PREFIX}[A-Z_]+)=", "\n".join(lines), re.MULTILINE)) == sorted(SETTINGS)


def test_what_the_compose_files_leave_open_is_in_their_example():
    left_open = {name for file in DOCKER.glob("*.yaml") for name in re.findall(r"\$\{([A-Z_]+)", file.read_text())}
    example = (DOCKER / "env.example").read_text()

    assert left_open == set(re.findall(r"^([A-Z_]+)=", example, re.MULTILINE))


def test_a_worker_has_longer_to_stop_than_to_finish_what_it_draws():
    compose = (DOCKER / "compose.yaml").read_text()
    (drain,), (grace,) = re.findall(r'EASEL_DRAIN_SECONDS: "(\d+)"', compose), re.findall(r"_period: (3\d\d)s", compose)

    assert int(grace) > int(drain)


def test_every_alert_says_in_the_operators_book_what_to_do():
    rules = "".join(file.read_text() for file in DOCKER.glob("prometheus/*.yml"))
    book = (DOCKER.parent / "docs" / "operations.md").read_text()

    assert [name for name in re.findall(r"- alert: (\w+)", rules) if f"| {name} |" not in book] == []
