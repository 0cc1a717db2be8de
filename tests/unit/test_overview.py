"""Minutes of what ended."""

import pytest

from server.domain.lifecycle import TaskStatus
from server.domain.overview import Ended, Outcome, by_minute, outcome_of
from server.domain.types import ProjectId, TaskId


def _ended(at: float, outcome: Outcome = Outcome.SUCCEEDED, seconds: float = 1.0) -> Ended:
    return Ended(
        id=TaskId(1), project_id=ProjectId(1), model="m", message="", at=at, outcome=outcome, seconds=seconds, drawn=0.0
    )


def test_minutes_begin_at_whole_ones_and_only_those_with_something_are_there():
    minutes = by_minute([_ended(185), _ended(60.0), _ended(119.99)])
    assert [(minute.at, minute.outcomes[Outcome.SUCCEEDED]) for minute in minutes] == [(60, 2), (180, 1)]


def test_times_are_of_the_succeeded_by_nearest_rank():
    ended = [_ended(1, seconds=float(number)) for number in range(1, 21)] + [_ended(2, Outcome.FAILED, 1e6)]
    (minute,) = by_minute(ended)
    assert (minute.median, minute.tail) == (10, 19)
    assert minute.outcomes == {Outcome.SUCCEEDED: 20, Outcome.FAILED: 1}


def test_a_minute_of_failures_has_no_time():
    (minute,) = by_minute([_ended(1, Outcome.FAILED)])
    assert (minute.median, minute.tail) == (0, 0)


@pytest.mark.parametrize(
    ("status", "pexit", "claimed", "outcome"),
    [
        (TaskStatus.POSTPROCESS_END, "0", True, Outcome.SUCCEEDED),
        (TaskStatus.POSTPROCESS_END, "137", True, Outcome.FAILED),
        (TaskStatus.CANCEL, "", True, Outcome.KILLED),
        (TaskStatus.CANCEL, "", False, Outcome.CANCELLED),
    ],
)
def test_what_became_of_a_task(status: TaskStatus, pexit: str, claimed: bool, outcome: Outcome):  # noqa: FBT001
    assert outcome_of(status, pexit, claimed=claimed) is outcome
