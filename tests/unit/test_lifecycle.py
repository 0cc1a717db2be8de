"""The law of a task's life, and what becomes of tasks whose worker died."""

from dataclasses import replace
from itertools import pairwise, product

import pytest

from server.adapters.memory import MemoryStores
from server.domain.events import TERMINAL_EVENTS, EventType
from server.domain.lifecycle import FINISHING, LEASED, RUNNING, TERMINAL, TRANSITIONS, TaskStatus, sources_of
from server.domain.rescue import Limits, after_crash, after_expiry
from server.domain.task import Task
from tests.stores import PATH, new_project, new_task

S = TaskStatus


@pytest.fixture
def task() -> Task:
    stores = MemoryStores()
    return stores.submit(new_task(stores.create(new_project("one")).id))


def test_every_status_has_its_row():
    assert set(TRANSITIONS) == set(TaskStatus)


def test_the_way_of_a_good_task_is_legal():
    for before, after in pairwise(PATH):
        assert after in TRANSITIONS[before]


def test_nothing_follows_an_end():
    assert {S.POSTPROCESS_END, S.CANCEL} == TERMINAL
    assert {EventType.of(status) for status in TERMINAL} == TERMINAL_EVENTS


def test_a_running_task_can_be_requeued_failed_or_killed():
    assert {S.ACCEPT, S.PREPROCESS_START, S.PREPROCESS_END, S.ASSIGN, S.START} == RUNNING
    for status, to in product(RUNNING, (S.QUEUE, S.END, S.CANCEL)):
        assert to in TRANSITIONS[status]


def test_from_its_end_on_a_task_only_goes_forward():
    assert {S.END, S.POSTPROCESS_START} == FINISHING
    assert TRANSITIONS[S.END] == {S.POSTPROCESS_START}
    assert TRANSITIONS[S.POSTPROCESS_START] == {S.POSTPROCESS_END}


def test_a_task_needs_a_worker_unless_it_waits_or_is_over():
    assert set(TaskStatus) - TERMINAL - {S.QUEUE} == LEASED


def test_no_status_may_follow_itself():
    """A move repeated after an answer that was lost must not write a second event."""
    for status, after in TRANSITIONS.items():
        assert status not in after


@pytest.mark.parametrize("to", list(TaskStatus))
def test_sources_are_the_table_read_backwards(to: TaskStatus):
    assert sources_of(to) == {status for status in TaskStatus if to in TRANSITIONS[status]}


def test_an_end_can_be_reached_from_everywhere():
    for start in TaskStatus:
        reached, front = {start}, {start}
        while front:
            front = {after for status in front for after in TRANSITIONS[status]} - reached
            reached |= front
        assert reached & TERMINAL, start


def test_every_status_is_an_event():
    for status in TaskStatus:
        assert EventType.of(status).value == status.value


@pytest.mark.parametrize(("crashes", "ends"), [(0, False), (1, False), (2, True), (3, True)])
def test_the_third_crash_is_the_last(task: Task, crashes: int, *, ends: bool):
    ending = after_crash(replace(task, crashes=crashes), "137", Limits())
    assert (ending is not None) is ends
    if ending is not None:
        assert ending.pexit == "137"
        assert f"died {crashes + 1} times" in ending.message


@pytest.mark.parametrize("pexit", ["", "0"])
def test_a_crash_is_never_told_as_success(task: Task, pexit: str):
    ending = after_crash(replace(task, crashes=2), pexit, Limits())
    assert ending is not None
    assert ending.pexit == "1"


@pytest.mark.parametrize(("attempt", "ends"), [(1, False), (4, False), (5, True), (6, True)])
def test_the_fifth_silence_is_the_last(task: Task, attempt: int, *, ends: bool):
    ending = after_expiry(replace(task, attempt=attempt), Limits())
    assert (ending is not None) is ends
    if ending is not None:
        assert ending.pexit == "1"
        assert f"{attempt} times" in ending.message
