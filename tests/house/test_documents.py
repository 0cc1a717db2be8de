"""The documents are true: every path, function, setting and route they name exists."""

import ast
import re
from pathlib import Path

import pytest

from server.api.app import create_app
from server.domain.lifecycle import RUNNING, TRANSITIONS, TaskStatus
from server.settings import PREFIX, Settings
from tests.serving import memory_wiring

ROOT = Path(__file__).parents[2]
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text()
README = (ROOT / "README.md").read_text()
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
ROOMS = ("server/", "pipelines/", "models/", "migrations/", "tests/", "docs/", "bench/")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_path_a_document_names_exists(document):
    named = [path for path in re.findall(r"`([\w./-]+/[\w./-]*)`", document.read_text()) if path.startswith(ROOMS)]

    assert [path for path in named if not (ROOT / path).exists()] == []


def test_every_function_of_the_life_of_a_task_exists():
    named = re.findall(r"`(server/[\w/]+\.py|pipelines/\w+\.py|models/\w+\.py)`\s+`([\w.]+)`", ARCHITECTURE)

    assert len(named) > 20
    assert [(file, name) for file, name in named if name not in _names_in(ROOT / file)] == []


def test_every_room_is_on_the_map():
    packages = {str(init.parent.relative_to(ROOT)) for init in ROOT.glob("server/*/__init__.py")}

    assert [
        room for room in sorted(packages | {"pipelines", "models", "migrations"}) if f"`{room}`" not in ARCHITECTURE
    ] == []


def test_the_state_diagram_is_the_transition_table():
    drawn = set(re.findall(r"^  (task_\w+) --> (task_\w+)$", ARCHITECTURE, re.MULTILINE))
    out_of_a_run = {TaskStatus.QUEUE, TaskStatus.END, TaskStatus.CANCEL}
    told_in_words = {(status, to) for status in RUNNING for to in out_of_a_run} - {(TaskStatus.START, TaskStatus.END)}
    lawful = {(status, to) for status, after in TRANSITIONS.items() for to in after}

    assert drawn == {(status.value, to.value) for status, to in lawful - told_in_words}


def test_every_setting_is_in_the_readme():
    in_table = set(re.findall(rf"^\| `({PREFIX}\w+)` \|", README, re.MULTILINE))

    assert in_table == {PREFIX + name.upper() for name in Settings.model_fields}


def test_every_route_of_the_compatibility_table_exists():
    promised = re.findall(r"^\| `(?:POST|GET) (/v1/\S+?)` \| yes", README, re.MULTILINE)
    routes = {re.sub(r"\{\w+\}", "{}", path) for path in create_app(memory_wiring()).openapi()["paths"]}

    assert len(promised) >= 6
    assert [path for path in promised if re.sub(r"\{\w+\}", "{}", path) not in routes] == []


def test_no_source_file_is_too_long_to_read():
    files = [file for room in ("server", "pipelines", "models") for file in (ROOT / room).rglob("*.py")]

    assert {str(file): lines for file in files if (lines := file.read_text().count("\n")) > 300} == {}


def _names_in(file: Path) -> set[str]:
    tree = ast.parse(file.read_text())
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.ClassDef):
            names |= {
                f"{node.name}.{part.name}"
                for part in node.body
                if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef)
            }
    return names
