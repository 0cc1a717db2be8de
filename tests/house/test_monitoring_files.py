"""The Grafana file and the alert rules speak only of what a live server tells."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import promql_parser
import pytest
import yaml

from tests.serving import Easel, serving
from tests.wire.scraping import parse_exposition

DOCKER = Path(__file__).parents[2] / "docker"
DASHBOARD = json.loads((DOCKER / "grafana/easel.json").read_text())
RULES = yaml.safe_load((DOCKER / "prometheus/easel.rules.yml").read_text())


def _panels() -> Iterator[dict[str, Any]]:
    return (panel for panel in DASHBOARD["panels"] if panel["type"] != "row")


def _expressions() -> dict[str, str]:
    found = {
        f"{panel['title']} {target['refId']}": target["expr"] for panel in _panels() for target in panel["targets"]
    }
    return found | {rule["alert"]: rule["expr"] for group in RULES["groups"] for rule in group["rules"]}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> set[tuple[str, str]]:
    """The names a live server tells, each with each of its labels; a killed and a finished task are behind it."""
    with serving(tmp_path_factory.mktemp("told"), heartbeat_seconds=0.2) as easel:
        easel.finish()
        token = easel.run(prompt="slowly <fake:slow>", steps="100")["socketaccesstoken"]
        easel.follow(token, until="task_start")
        easel.post("Task/Kill", {"tasktoken": token})
        deadline = time.monotonic() + 60
        samples = _scrape(easel)
        while not any(name == "easel_kill_seconds_count" for name, _ in samples):
            assert time.monotonic() < deadline
            time.sleep(0.2)
            samples = _scrape(easel)
        types = set(re.findall(r"^# TYPE (\S+)", _text(easel), re.MULTILINE))
    typed = {(name, "") for name in types}
    return typed | {(name, label) for name, labels in samples for label in ("", *(key for key, _ in labels))}


def _text(easel: Easel) -> str:
    return httpx2.get(f"{easel.url}/metrics", trust_env=False).text


def _scrape(easel: Easel):
    return parse_exposition(_text(easel))


def _selectors(node: Any) -> Iterator[Any]:
    """Return every vector selector below a node of a parsed expression."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    for name in ("expr", "lhs", "rhs", "vector_selector", "param"):
        if (child := getattr(node, name, None)) is not None and not isinstance(child, str):
            yield from _selectors(child)
    for child in getattr(node, "args", None) or ():
        yield from _selectors(child)


@pytest.mark.parametrize(("where", "expression"), _expressions().items())
def test_an_expression_parses_and_names_only_what_is_told(told: set[tuple[str, str]], where: str, expression: str):
    selectors = list(_selectors(promql_parser.parse(expression)))
    assert selectors, where
    assert {selector.name for selector in selectors} == set(re.findall(r"easel_[a-z_]+", expression))
    for selector in selectors:
        assert (selector.name, "") in told, selector.name
        for matcher in selector.matchers.matchers:
            assert (selector.name, matcher.name) in told, f"{selector.name} has no label {matcher.name}"


def test_labels_that_are_grouped_by_exist(told: set[tuple[str, str]]):
    labels = {label for _, label in told}
    for expression in _expressions().values():
        for group in re.findall(r"by \(([^)]*)\)", expression):
            assert {label.strip() for label in group.split(",")} <= labels, expression


def test_every_rule_says_what_to_do():
    for group in RULES["groups"]:
        for rule in group["rules"]:
            assert rule["labels"]["severity"] in {"info", "warning", "critical"}
            assert rule["annotations"]["summary"].endswith(".")
            assert rule["annotations"]["description"].endswith(".")


def test_panels_do_not_overlap():
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
