"""No row of the wire contract is without a test, and no test that a row names is missing."""

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from tests.conformance.clients.styles import STYLES
from tests.conformance.rows import NOT_OURS, ROWS, SECTIONS, TRAPS_OF
from tests.conformance.table import Row

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
_NUMBERS = re.compile(r"test_s(\d\d)_(?:trap_(\d\d)_)?")
_NOT_OF_A_ROW = {Path(__file__).name}


@cache
def written_in(file: str) -> dict[str, bool]:
    """The tests of a file; whether each is for `make test-long` alone."""
    tree = ast.parse((ROOT / file).read_text())
    return {
        node.name: any("mark.slow" in ast.unparse(mark) for mark in node.decorator_list)
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def own_tests() -> list[tuple[str, str]]:
    files = [path for path in HERE.glob("test_*.py") if path.name not in _NOT_OF_A_ROW]
    names = [(str(path.relative_to(ROOT)), name) for path in files for name in written_in(str(path.relative_to(ROOT)))]
    assert len(names) > 20
    return names


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.key)
def test_a_row_has_a_test_that_exists_and_runs_at_normal_speed(row: Row):
    assert row.demand
    assert row.tests
    split = [test.split("::") for test in row.tests]
    assert [test for test in split if not (ROOT / test[0]).is_file()] == []
    assert [(file, name) for file, name in split if name not in written_in(file)] == []
    assert not all(written_in(file)[name] for file, name in split)


def test_every_section_and_every_trap_has_its_row():
    keys = Counter(row.key for row in ROWS)
    traps = {f"{section}/trap-{number:02}" for section, numbers in TRAPS_OF.items() for number in numbers}

    assert [key for key, times in keys.items() if times > 1] == []
    assert {row.section for row in ROWS} == set(SECTIONS)
    assert {key for key in keys if "/trap-" in key} == traps
    assert not set(NOT_OURS) & set(keys)
    assert {key.partition("/")[0] for key in NOT_OURS} <= set(SECTIONS)


@pytest.mark.parametrize(("file", "name"), own_tests(), ids=lambda value: value)
def test_a_test_of_this_suite_is_named_after_a_row_that_names_it(file: str, name: str):
    numbers = _NUMBERS.match(name)
    assert numbers is not None
    section, trap = numbers.groups()
    naming = [row for row in ROWS if f"{file}::{name}" in row.tests]

    assert int(section) in {int(row.section.split(".")[0]) for row in naming}
    assert trap is None or [row for row in naming if row.key.endswith(f"/trap-{trap}")]


def test_every_trap_that_a_wire_test_names_is_in_its_row():
    """So that a new test of a trap is found from the table, and a renumbered one is noticed."""
    rows = {int(row.key[-2:]): row.tests for row in ROWS if "/trap-" in row.key}
    named = [
        (int(number), file.name, name)
        for file in sorted((ROOT / "tests/wire").glob("test_*.py"))
        for name in written_in(str(file.relative_to(ROOT)))
        if (found := re.match(r"test_traps?((?:_\d\d)+)_", name)) is not None
        for number in re.findall(r"\d\d", found[1])
    ]

    assert len(named) > 40
    assert [each for each in named if each[0] not in rows] == []


def test_every_style_has_a_name_of_its_own():
    assert len({style.style for style in STYLES}) == len(STYLES) == 16
