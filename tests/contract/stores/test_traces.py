"""Traces that are owed: from the Run to whoever tells them, once at a time."""

import time
from dataclasses import replace

from server.domain.lifecycle import RUNNING, TaskStatus
from server.domain.task import Task
from tests.stores import Stores, new_task

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def submitted(stores: Stores, traceparent: str | None) -> Task:
    return stores.tasks.submit(replace(new_task(stores.project().id), traceparent=traceparent))


def over(stores: Stores, traceparent: str | None = PARENT) -> Task:
    task = submitted(stores, traceparent)
    stores.drive(stores.claim().lease, TaskStatus.POSTPROCESS_END)
    return stores.task(task.id)


def test_a_trace_is_owed_once_its_task_is_over(stores: Stores):
    task = submitted(stores, PARENT)
    assert stores.traces.take(10, 60) == []
    lease = stores.claim().lease
    assert stores.traces.take(10, 60) == []
    stores.drive(lease, TaskStatus.POSTPROCESS_END)

    (owed,) = stores.traces.take(10, 60)

    assert (owed.task, owed.parent) == (stores.task(task.id), PARENT)
    assert list(owed.events) == list(stores.story(task.id).events)


def test_one_that_is_cancelled_owes_it_too(stores: Stores):
    task = submitted(stores, "")
    assert stores.tasks.cancel(task.id, {TaskStatus.QUEUE})
    killed = submitted(stores, "")
    stores.claim()
    assert stores.tasks.cancel(killed.id, RUNNING)
    assert [(owed.task.id, owed.parent) for owed in stores.traces.take(10, 60)] == [(task.id, ""), (killed.id, "")]


def test_a_task_that_was_not_asked_to_owes_none(stores: Stores):
    over(stores, None)
    assert stores.traces.take(10, 60) == []


def test_what_is_taken_is_nobody_elses_for_a_while(stores: Stores):
    first, second, third = over(stores), over(stores), over(stores)
    assert [owed.task.id for owed in stores.traces.take(2, 0.2)] == [first.id, second.id]
    assert [owed.task.id for owed in stores.traces.take(2, 60)] == [third.id]
    assert stores.traces.take(2, 60) == []
    time.sleep(0.25)
    assert [owed.task.id for owed in stores.traces.take(2, 60)] == [first.id, second.id]


def test_what_is_told_is_owed_no_more(stores: Stores):
    first, second = over(stores), over(stores)
    assert len(stores.traces.take(10, 0.0)) == 2
    stores.traces.told([first.id])
    stores.traces.told([])
    assert [owed.task.id for owed in stores.traces.take(10, 0.0)] == [second.id]
