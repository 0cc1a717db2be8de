"""The prompt gate's audit."""

import time
from dataclasses import replace

import pytest

from server.domain.refusal import NewRefusal, Stage, Strikes, sha256_of
from server.domain.types import ProjectId, TaskId
from tests.stores import Stores

NEW = NewRefusal(
    project_id=ProjectId(7),
    task_id=None,
    stage=Stage.RUN,
    gate_version="2026.1",
    rules=("minor.child.en", "sexual.nudity.en"),
    prompt_sha256=sha256_of("a prompt"),
)


def test_a_refusal_comes_back_as_it_was_written(stores: Stores):
    late = replace(NEW, task_id=TaskId(2**40), stage=Stage.WORKER)  # of a task and a project that are gone
    stores.refusals.add(NEW)
    stores.refusals.add(late)

    newest = stores.refusals.newest(10)

    assert [(each.task_id, each.stage, each.rules, each.prompt_sha256) for each in newest] == [
        (late.task_id, Stage.WORKER, NEW.rules, NEW.prompt_sha256),
        (None, Stage.RUN, NEW.rules, NEW.prompt_sha256),
    ]
    assert all(each.gate_version == "2026.1" and each.project_id == 7 for each in newest)
    assert newest[0].at == pytest.approx(time.time(), abs=5)
    assert newest[0].id > newest[1].id


def test_the_newest_come_first_and_no_more_than_asked_for(stores: Stores):
    for number in range(5):
        stores.refusals.add(replace(NEW, project_id=ProjectId(number % 2), prompt_sha256=str(number)))

    assert [each.prompt_sha256 for each in stores.refusals.newest(3)] == ["4", "3", "2"]
    assert [each.prompt_sha256 for each in stores.refusals.newest(10, ProjectId(1))] == ["3", "1"]


def test_strikes_are_counted_by_project_and_time(stores: Stores):
    assert stores.refusals.strikes(NEW.project_id, 3600, {Stage.RUN}) == Strikes(0, None)
    for _ in range(3):
        stores.refusals.add(NEW)
    stores.refusals.add(replace(NEW, project_id=ProjectId(8)))

    strikes = stores.refusals.strikes(NEW.project_id, 3600, {Stage.RUN})

    assert strikes.count == 3
    assert strikes.last_ago == pytest.approx(0, abs=5)
    time.sleep(0.02)
    assert stores.refusals.strikes(NEW.project_id, 0.005, {Stage.RUN}) == Strikes(0, None)


def test_strikes_are_counted_where_they_were(stores: Stores):
    stores.refusals.add(NEW)
    stores.refusals.add(replace(NEW, stage=Stage.PLAN))
    stores.refusals.add(replace(NEW, stage=Stage.WORKER))
    counts = [stores.refusals.strikes(NEW.project_id, 3600, stages).count for stages in ({Stage.RUN}, set(Stage))]
    assert counts == [1, 3]
