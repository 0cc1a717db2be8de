"""When a queued task may start: the robust middle, and silence where nobody knows."""

from dataclasses import replace

import pytest

from server.domain.expectation import Expectation, QueueSight, expectation

SIGHT = QueueSight(now=1000.0, ahead=5, running=2, recent=[10.0, 10.0, 12.0, 9.0, 600.0], held_back=False)


def test_the_median_of_recent_runs_shared_by_the_workers():
    assert expectation(SIGHT, workers=2) == Expectation(6, 1000 + 6 * 10 / 2)


def test_idle_workers_take_the_first_at_once():
    assert expectation(replace(SIGHT, ahead=0, running=1), workers=2) == Expectation(1, 1000.0)
    assert expectation(replace(SIGHT, ahead=1, running=1), workers=2) == Expectation(2, 1005.0)


@pytest.mark.parametrize("change", [{"recent": []}, {"recent": [1.0, 1.0]}, {"held_back": True}])
def test_the_start_is_not_invented(change: dict[str, object]):
    assert expectation(replace(SIGHT, **change), workers=2) == Expectation(6)


def test_without_workers_there_is_no_start():
    assert expectation(SIGHT, workers=0) == Expectation(6)


def test_beyond_what_was_counted_there_is_nothing():
    assert expectation(replace(SIGHT, ahead=None), workers=2) == Expectation()
