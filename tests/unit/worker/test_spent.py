"""Where a run's time goes while the engine has it."""

import pytest

from pipelines.contract import Finished, LogLine, Phase, SampleDone, Started, Stepped
from server.worker.spent import Spent


class Hands:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def spent(hands: Hands) -> Spent:
    return Spent(hands)


def _pass(spent: Spent, hands: Hands, *events: tuple[float, object]) -> None:
    for seconds, event in events:
        hands.now += seconds
        spent.heard(event)


def test_time_belongs_to_the_phase_that_it_ends_with(spent: Spent, hands: Hands):
    hands.now += 7  # in line for the engine
    spent.admitted()
    _pass(
        spent,
        hands,
        (2, Started("g", 3)),
        (1, Stepped("g", Phase.BASE, 0, 1, 3)),
        (0.5, LogLine("g", "says nothing of time")),
        (0.5, Stepped("g", Phase.BASE, 0, 2, 3)),
        (4, Stepped("g", Phase.REFINER, 0, 3, 3)),
        (0.5, SampleDone("g", 0, 8, 8, b"")),
        (3, Finished("g")),
    )
    assert spent.seconds == {Phase.ENCODE: 2, Phase.BASE: 2, Phase.REFINER: 4, Phase.DECODE: 0.5}


def test_what_is_admitted_again_begins_anew(spent: Spent, hands: Hands):
    spent.admitted()
    _pass(spent, hands, (2, Started("g", 3)))
    spent.admitted()
    assert spent.seconds == {}
    _pass(spent, hands, (1, Started("g", 3)))
    assert spent.seconds == {Phase.ENCODE: 1}
