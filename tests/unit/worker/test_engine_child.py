"""Looking after an engine child: the ladder from a request to SIGKILL, deadlines for loading, replacement by memory."""

from dataclasses import dataclass, field

import pytest

from pipelines.contract import Loading, Ready
from server.worker.engine_child import MAX_LOAD_FAILURES, Care, EngineChild
from server.worker.engine_process import Exited
from tests.unit.worker.shop import ScriptedEngine


@dataclass
class Silent(ScriptedEngine):
    """A child that neither loads nor dies by itself; `signals` is what it was sent."""

    signals: list[str] = field(default_factory=list)

    def start(self, hear) -> None:
        self.starts += 1
        self._hear = hear

    def terminate(self) -> None:
        self.signals.append("SIGTERM")

    def kill(self) -> None:
        self.signals.append("SIGKILL")


class Hands:
    """A clock to turn by hand."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


class Nursery:
    """A child, and what is done to it."""

    def __init__(self, **care) -> None:
        self.clock = Hands()
        self.engine = Silent()
        settled = Care(**{"restarts": (0.0, 1.0, 5.0), "load": 60.0, "term": 3.0, **care})
        self.child = EngineChild(self.engine, lambda _: None, self.clock, settled)
        self.child.start_if_due()

    def pass_time(self, seconds: float) -> None:
        self.clock.now += seconds
        self.child.start_if_due()
        self.child.end_if_stuck()

    def die(self, code: int = -9) -> None:
        self.child.on_exited(Exited(code))


def test_a_child_that_does_not_answer_gets_sigterm_and_then_sigkill_once_each():
    it = Nursery()
    it.child.on_ready(Ready("cpu"))
    for _ in range(50):
        it.child.end()
        it.clock.now += 0.1

    assert it.engine.signals == ["SIGTERM", "SIGKILL"]


def test_sigkill_waits_for_its_time():
    it = Nursery()
    it.child.on_ready(Ready("cpu"))
    it.child.end()
    it.clock.now += 2.9
    it.child.end()
    assert it.engine.signals == ["SIGTERM"]
    it.clock.now += 0.1
    it.child.end()
    assert it.engine.signals == ["SIGTERM", "SIGKILL"]


def test_a_child_that_loads_without_a_word_is_ended_and_says_why():
    it = Nursery()
    it.pass_time(59)
    assert it.engine.signals == []
    it.pass_time(1)
    assert it.engine.signals == ["SIGTERM"]
    it.pass_time(3)
    assert it.engine.signals == ["SIGTERM", "SIGKILL"]
    it.die()

    assert it.child.last_words == "The engine process loaded for 60 s without a word."


def test_a_child_that_tells_how_far_it_is_may_load_as_long_as_it_needs():
    it = Nursery()
    for step in range(10):
        it.pass_time(59)
        it.child.on_loading(Loading("weights", step / 10))
    it.child.on_ready(Ready("cpu"))
    it.pass_time(10_000)

    assert it.engine.signals == []


def test_loads_that_hang_again_and_again_are_given_up():
    it = Nursery()
    for number in range(MAX_LOAD_FAILURES):
        assert it.child.hopeless is False
        it.pass_time(60)
        it.die(-15)
        it.pass_time(0)
        assert it.engine.starts == number + 2

    assert it.child.hopeless


@pytest.mark.parametrize(("held", "drawn", "bloated"), [(9, True, False), (11, True, True), (11, False, False)])
def test_a_child_is_bloated_when_it_has_drawn_and_holds_too_much(held: int, drawn: bool, bloated: bool):  # noqa: FBT001
    it = Nursery(recycle=10)
    it.child.on_ready(Ready("cpu"))
    it.engine.bytes = held
    if drawn:
        it.child.on_success()

    assert it.child.bloated is bloated


def test_without_a_limit_no_child_is_bloated():
    it = Nursery()
    it.child.on_ready(Ready("cpu"))
    it.child.on_success()
    it.engine.bytes = 1 << 60

    assert not it.child.bloated


def test_a_replaced_child_is_no_failure_and_the_next_one_starts_at_once():
    it = Nursery(recycle=10)
    it.child.on_ready(Ready("cpu"))
    it.child.on_success()
    it.engine.bytes = 11
    it.child.recycle()
    assert (it.child.ready, it.child.bloated, it.engine.signals) == (False, False, ["SIGTERM"])
    it.die(-15)
    it.pass_time(0)

    assert it.engine.starts == 2
    assert not it.child.hopeless
    assert not it.child.bloated  # it has drawn nothing yet: no loop of replacements


def test_a_replaced_child_that_does_not_go_is_killed():
    it = Nursery(recycle=10)
    it.child.on_ready(Ready("cpu"))
    it.child.on_success()
    it.engine.bytes = 11
    it.child.recycle()
    it.pass_time(60)

    assert it.engine.signals == ["SIGTERM", "SIGKILL"]


def test_a_child_that_is_being_ended_takes_nothing_more():
    it = Nursery()
    it.child.on_ready(Ready("cpu"))
    assert it.child.takes_more
    it.child.end()
    assert it.child.ready, "the ladder goes on"
    assert not it.child.takes_more
