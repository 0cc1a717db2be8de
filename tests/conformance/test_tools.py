"""Sections 8 and 9 against a live server, where tests/wire has no test of it."""

import json
from typing import Any

import pytest

from tests.conformance.conftest import Server
from tests.serving import Easel

NUMERIC = {"range", "number", "numeric", "integer", "float"}
KNOWN = NUMERIC | {"select", "text", "textarea", "fileinput", "multifileinput", "combinefileinput"}


@pytest.fixture(name="easel")
def easel_fixture(server: Server) -> Easel:
    return server.easel()


@pytest.fixture(name="details")
def details_fixture(easel: Easel) -> list[dict[str, Any]]:
    """Every model, with its parameters."""
    listed = easel.post("Tool/List", {"limit": "100"}).json()["tool"]
    slugs = [{"slugowner": tool["cleanslugowner"], "slugproject": tool["cleanslugproject"]} for tool in listed]
    assert len(slugs) >= 3
    return [easel.post("Tool/Detail", each).json()["tool"][0] for each in slugs]


@pytest.fixture(name="items")
def items_fixture(details: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [item for tool in details for group in tool["parameters"] for item in group["items"]]


def test_s03_total_is_what_the_docs_say(easel: Easel):
    task = easel.run()
    totals = [
        easel.post(path, body).json()["total"]
        for path, body in (("Tool/List", {}), ("Task/List", {}), ("Task/Detail", {"taskid": task["taskid"]}))
    ]

    assert [type(total) for total in totals] == [int, str, str]
    assert totals[1:] == ["1", "1"]


def test_s08_a_price_reads_in_every_way(details: list[dict[str, Any]]):
    """MCP parses the text, the SDKs too, and `price` must be a number; the rest is numeric text."""
    for tool in details:
        for price in json.loads(tool["dynamicprice"]):
            assert type(price["price"]) in {int, float}
            assert all(isinstance(value, str) for value in price["inputs"].values())
        assert float(tool["cps"]) >= 0
        assert float(tool["approximatelycost"]) >= 0


def test_s09_every_type_is_one_that_the_sdks_know(items: list[dict[str, Any]]):
    assert {item["type"].lower() for item in items} <= KNOWN
    for item in items:
        if item["type"].lower() in NUMERIC:
            assert item["min"] <= item["default"] <= item["max"]
            assert all(float(item[name]) == item[name] for name in ("default", "min", "max", "step"))


def test_s09_a_select_holds_its_default(items: list[dict[str, Any]]):
    selects = [item for item in items if item["type"] == "select"]
    assert selects
    for item in selects:
        values = [option["value"] for option in item["options"]]
        assert all(isinstance(value, str) for value in values)
        assert len(set(values)) == len(values)
        assert item["default"] in values
