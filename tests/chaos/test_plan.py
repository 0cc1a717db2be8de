"""Results of one commit are summed, and the plan only names what there is."""

import json

from tests.chaos.__main__ import EXPERIMENTS
from tests.chaos.plan import PLAN, results, total


def test_the_plan_names_experiments_that_exist_and_repeats_none():
    assert {words[0] for words in PLAN} == set(EXPERIMENTS)
    assert len({tuple(words) for words in PLAN}) == len(PLAN)


def test_results_of_another_commit_are_not_counted(tmp_path):
    old = {"commit": "000000000000", "changed": False, "experiment": "kills", "database": "sqlite", "violations": {}}
    (tmp_path / "chaos-kills-sqlite-1.json").write_text(json.dumps(old))

    assert results(tmp_path) == []


def test_runs_are_summed_by_experiment_and_database():
    one = {"experiment": "kills", "database": "sqlite", "tasks": 5, "kills": 2, "refused": {"report": 1}}

    assert total([one | {"violations": {}}, one | {"violations": {"I1": [3, "gone"]}}]) == {
        "kills sqlite": {"runs": 2, "tasks": 10, "kills": 4, "refused": 2, "violations": 3}
    }
