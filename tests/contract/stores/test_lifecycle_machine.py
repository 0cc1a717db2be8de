"""Any sequence of verbs, compared with a small model of the life of a task."""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from server.domain.errors import LeaseLost
from server.domain.events import EventType, NewEvent
from server.domain.lifecycle import LEASED, RUNNING, TRANSITIONS, TaskStatus
from server.domain.task import Lease
from server.domain.types import WorkerId
from server.domain.writes import AddFile, Move, Report, Requeue
from tests.stores import MODEL, WORKER, Stores, memory_stores, open_sql_stores, picture, sqlite_url

STATUS_EVENTS = {EventType.of(status) for status in TaskStatus}


class Lifecycle(RuleBasedStateMachine):
    """One task, its current lease and every lease it ever had."""

    stores: Stores

    def __init__(self):
        super().__init__()
        task = self.stores.submit()
        self.id = task.id
        self.status = TaskStatus.QUEUE
        self.attempt = self.seq = self.version = self.files = 0
        self.seq = 1
        self.lease: Lease | None = None
        self.lost: list[Lease] = []

    def _release(self):
        if self.lease:
            self.lost.append(self.lease)
        self.lease = None

    def _try(self, allowed, verb) -> bool:
        """Run the verb with the best lease there is; it must succeed exactly when the model says so."""
        lease = self.lease or (self.lost[-1] if self.lost else Lease(task_id=self.id, attempt=0, token=""))
        if allowed and self.lease:
            verb(lease)
            return True
        with pytest.raises(LeaseLost):
            verb(lease)
        return False

    @rule()
    def claim(self):
        claimed = self.stores.tasks.claim(WORKER, [MODEL], -1)
        assert (claimed is not None) == (self.status is TaskStatus.QUEUE)
        if claimed:
            self.status, self.lease = TaskStatus.ACCEPT, claimed.lease
            self.attempt += 1
            self.seq += 1
            assert claimed.task.attempt == self.attempt

    @rule(to=st.sampled_from(sorted(set(TaskStatus) - {TaskStatus.QUEUE})), more=st.integers(0, 2))
    def move(self, to: TaskStatus, more: int):
        before = [NewEvent(EventType.OUTPUT, number) for number in range(more)]
        if self._try(
            to in TRANSITIONS[self.status], lambda lease: self.stores.tasks.write(lease, [Move(to, before=before)])
        ):
            self.status = to
            self.seq += more + 1
            if to not in LEASED:
                self._release()

    @rule()
    def step(self):
        """Mostly things go well; otherwise no example would ever get far."""
        onward = sorted(TRANSITIONS[self.status] - {TaskStatus.QUEUE, TaskStatus.CANCEL, TaskStatus.END})
        if self.lease and onward:
            self.move(onward[0], 0)

    @rule(crashed=st.booleans(), refund=st.booleans())
    def requeue(self, crashed, refund):
        def verb(lease: Lease):
            self.stores.tasks.write(lease, [Requeue(crashed=crashed, refund=refund)])

        if self._try(self.status in RUNNING, verb):
            self.status = TaskStatus.QUEUE
            self.attempt -= refund
            self.seq += 1
            self.files = 0
            self._release()

    @rule(sources=st.sets(st.sampled_from(sorted(TaskStatus))))
    def cancel(self, sources: set[TaskStatus]):
        allowed = self.status in sources and TaskStatus.CANCEL in TRANSITIONS[self.status]
        assert (self.stores.tasks.cancel(self.id, sources) is not None) == allowed
        if allowed:
            self.status = TaskStatus.CANCEL
            self.seq += 1
            self._release()

    @rule()
    def take_over(self):
        taken = self.stores.tasks.take_over(WorkerId("other"), -1)
        assert len(taken) == (self.lease is not None)
        if taken:
            self._release()
            self.lease = taken[0].lease

    @rule()
    def report(self):
        if self._try(self.status in LEASED, lambda lease: self.stores.tasks.write(lease, [Report({"n": 1})])):
            self.version += 1

    @rule(sample=st.integers(0, 1))
    def add_file(self, sample: int):
        if self._try(self.status in RUNNING, lambda lease: self.stores.tasks.write(lease, [AddFile(picture(sample))])):
            self.files |= 1 << sample

    @invariant()
    def the_row_the_log_and_the_leases_agree(self):
        story = self.stores.story(self.id)
        assert (story.task.status, story.task.attempt, story.task.last_seq) == (self.status, self.attempt, self.seq)
        assert [event.seq for event in story.events] == list(range(1, self.seq + 1))
        told = [event for event in story.events if event.type in STATUS_EVENTS][-1]
        assert (told.type, told.attempt) == (EventType.of(self.status), self.attempt)
        assert sum(1 << file.sample for file in story.task.files) == self.files
        assert self.stores.log.heads([self.id])[self.id].progress_version == self.version
        held = self.stores.tasks.held([*self.lost, *([self.lease] if self.lease else [])])
        assert held == ({self.id} if self.lease else set())
        assert self.stores.tasks.held(self.lost) == frozenset()


class MemoryLifecycle(Lifecycle):
    def __init__(self):
        self.stores = memory_stores()
        super().__init__()


class SqliteLifecycle(Lifecycle):
    def __init__(self):
        self.folder = Path(tempfile.mkdtemp())
        self.opened = open_sql_stores(sqlite_url(self.folder), upgrade=True)
        self.stores = self.opened.__enter__()
        super().__init__()

    def teardown(self):
        self.opened.__exit__(None, None, None)
        shutil.rmtree(self.folder)


@pytest.mark.parametrize(("machine", "examples"), [(MemoryLifecycle, 60), (SqliteLifecycle, 10)])
def test_any_sequence_of_verbs(machine: type[Lifecycle], examples: int):
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=30,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
