"""Looking at everything at once, and following whole projects: the same from every store."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event, local

import pytest
from sqlalchemy import event as sql_events

from server.api.outbox import Outbox
from server.api.project_follower import ProjectFollower
from server.domain.events import EventType
from server.domain.lifecycle import RUNNING, TaskStatus
from server.domain.overview import LATE_SECONDS, Outcome
from server.domain.task import Ending
from server.domain.writes import Move, Report, Requeue
from server.services.scope import Scope
from tests.stores import MODEL, SUCCESS, WORKER, Stores, engines_of, open_sql_stores

ALL = 1000


def _finish(stores: Stores, lease, ending: Ending = SUCCESS) -> None:
    stores.drive(lease, TaskStatus.START)
    stores.tasks.write(lease, [Move(TaskStatus.END, ending=ending)])
    stores.tasks.write(lease, [Move(TaskStatus.POSTPROCESS_START)])
    stores.tasks.write(lease, [Move(TaskStatus.POSTPROCESS_END)])


class TestQueues:
    def test_nothing_is_told_of_an_empty_house(self, stores: Stores):
        stores.project()
        assert stores.overview.queues().depths == []

    def test_waiting_and_held_tasks_are_counted_by_project_and_model(self, stores: Stores):
        one, other = stores.project(), stores.project()
        for _ in range(3):
            stores.submit(one)
        stores.submit(other, model="easel/else")
        stores.claim()
        found = {(it.project_id, it.model): (it.queued, it.running) for it in stores.overview.queues().depths}
        assert found == {(one.id, MODEL): (2, 1), (other.id, "easel/else"): (1, 0)}

    def test_the_oldest_is_as_old_as_its_submission(self, stores: Stores):
        task = stores.submit()
        queues = stores.overview.queues()
        assert queues.depths[0].oldest == pytest.approx(queues.now - task.times[TaskStatus.QUEUE], abs=0.01)

    def test_a_finished_task_counts_nowhere(self, stores: Stores):
        _finish(stores, stores.claimed().lease)
        assert stores.overview.queues().depths == []


class TestHeld:
    def test_who_holds_it_and_how_far_it_is(self, stores: Stores):
        claimed = stores.claimed()
        stores.drive(claimed.lease, TaskStatus.START)
        before = stores.overview.held(ALL)
        stores.tasks.write(claimed.lease, [Report({"step": 3, "total": 20})])
        (held,) = stores.overview.held(ALL)
        assert before[0].progress is None
        assert (held.id, held.status, held.worker_id) == (claimed.task.id, TaskStatus.START, WORKER)
        assert held.progress is not None
        assert held.progress.payload == {"step": 3, "total": 20}

    def test_no_more_than_asked_for_and_nothing_that_waits_or_is_over(self, stores: Stores):
        leases = [stores.claimed() for _ in range(3)]
        _finish(stores, leases[0].lease)
        stores.submit()
        assert [one.id for one in stores.overview.held(ALL)] == [one.task.id for one in leases[1:]]
        assert len(stores.overview.held(1)) == 1


class TestEnded:
    def test_each_outcome_is_told_apart(self, stores: Stores):
        project = stores.project()
        for ending in (SUCCESS, Ending("1", "broken")):
            stores.submit(project)
            _finish(stores, stores.claim().lease, ending)
        stores.submit(project)
        assert stores.tasks.cancel(stores.claim().task.id, RUNNING)
        assert stores.tasks.cancel(stores.submit(project).id, [TaskStatus.QUEUE])

        outcomes = sorted(one.outcome for one in stores.overview.ended([project.id], 0, ALL))
        assert outcomes == sorted(Outcome)

    def test_a_requeued_task_that_is_cancelled_was_not_killed(self, stores: Stores):
        claimed = stores.claimed()
        stores.tasks.write(claimed.lease, [Requeue(crashed=True)])
        stores.tasks.cancel(claimed.task.id, [TaskStatus.QUEUE])
        (one,) = stores.overview.ended([claimed.task.project_id], 0, ALL)
        assert (one.outcome, one.drawn) == (Outcome.CANCELLED, 0)

    def test_only_what_ended_since(self, stores: Stores):
        claimed = stores.claimed()
        _finish(stores, claimed.lease)
        at = stores.task(claimed.task.id).times[TaskStatus.POSTPROCESS_END]
        ids = [claimed.task.project_id]
        assert [one.at for one in stores.overview.ended(ids, at, ALL)] == [at]
        assert stores.overview.ended(ids, at + 1, ALL) == []
        assert stores.overview.ended(ids, 0, 0) == []


class Reader:
    """A follower of one project over a store, driven by hand as the hub drives it."""

    def __init__(self, stores: Stores, project, since: float | None = None, seen=None, also=()) -> None:
        self.stores, self.names = stores, {one.id: one.name for one in (project, *also)}
        outbox = Outbox(lambda: 0.0)
        start = stores.overview.queues().now if since is None else since
        scope = Scope(project.id, project.credential, everything=False)
        self.follower = ProjectFollower(scope, outbox, lambda: None, start, seen or {})
        self.told: list[tuple[int, int, EventType]] = []

    def look(self) -> list[tuple[int, int, EventType]]:
        """Look once; return (task, seq, event) of what was new."""
        follower = self.follower
        heads = self.stores.project_log.stirred(list(self.names), follower.looks_from)
        lost = self.stores.log.heads(follower.dropped_out(heads))
        seqs = {**heads.seqs, **{task_id: head.last_seq for task_id, head in lost.items()}}
        news = self.stores.project_log.news(follower.behind(seqs))
        new = [
            (one.id, line.seq, line.type)
            for one in news
            for line in one.happenings
            if line.seq > follower._cursor(one.id)
        ]
        assert follower.tell(news, self.names)
        follower.looked(heads)
        follower.outbox.clear()
        self.told += new
        return new


def _whole(stores: Stores, task_id):
    return [(task_id, line.seq, line.type) for line in stores.story(task_id).events]


class TestFollowing:
    def test_every_event_of_a_task_is_told_once(self, stores: Stores):
        project = stores.project()
        reader = Reader(stores, project)
        task = stores.submit(project)
        reader.look()
        lease = stores.claim().lease
        reader.look()
        _finish(stores, lease)
        reader.look()
        assert reader.look() == []
        assert reader.told == _whole(stores, task.id)

    def test_other_projects_are_not_told(self, stores: Stores):
        reader = Reader(stores, stores.project())
        stores.submit()
        assert reader.look() == []

    def test_a_requeued_task_is_told_though_nobody_holds_it_any_more(self, stores: Stores):
        project = stores.project()
        task = stores.submit(project)
        reader = Reader(stores, project)
        lease = stores.claim().lease
        reader.look()
        # long submitted: only that it was held leads to it
        reader.follower.told_until += 10 * LATE_SECONDS
        stores.tasks.write(lease, [Requeue(crashed=True)])
        assert reader.look() == [(task.id, 3, EventType.QUEUE)]

    def test_what_is_over_and_old_is_forgotten_and_not_told_again(self, stores: Stores):
        project = stores.project()
        stores.submit(project)
        reader = Reader(stores, project)
        _finish(stores, stores.claim().lease)
        reader.look()
        reader.follower.told_until += 10 * LATE_SECONDS
        reader.look()
        assert reader.follower._cursors == {}
        assert reader.look() == []

    def test_who_resumes_gets_what_came_meanwhile_and_nothing_twice(self, stores: Stores):
        project = stores.project()
        task = stores.submit(project)
        reader = Reader(stores, project)
        reader.look()
        since, seen = reader.follower.told_until, {task.id: 1}
        _finish(stores, stores.claim().lease)
        assert Reader(stores, project, since, seen).look() == _whole(stores, task.id)[1:]


@contextmanager
def _late_commits(stores: Stores):
    """Hold back the commit of whoever works in a `late` thread, until it is let go."""
    assert stores.database
    late, reached, go = local(), Event(), Event()

    def hold(_connection):
        if getattr(late, "here", False):
            reached.set()
            assert go.wait(30)

    def work(act):
        late.here = True
        return act()

    engine = engines_of(stores.database)[0]
    sql_events.listen(engine, "commit", hold)
    with ThreadPoolExecutor(1) as pool:
        try:

            def begin(act):
                running = pool.submit(work, act)
                assert reached.wait(30)
                return running

            yield begin, go
        finally:
            go.set()
            sql_events.remove(engine, "commit", hold)


@pytest.fixture(params=["sqlite", "postgres"])
def sql(request: pytest.FixtureRequest):
    fixture = {"sqlite": "sqlite_database_url", "postgres": "postgres_url"}[request.param]
    with open_sql_stores(request.getfixturevalue(fixture)) as stores:
        yield stores


class TestLateCommits:
    """On PostgreSQL a row may become visible after rows of higher ids and later times."""

    def test_a_task_that_is_committed_after_a_later_one_is_told(self, sql: Stores):
        project, other = sql.project(), sql.project()
        reader = Reader(sql, project, also=[other])
        with _late_commits(sql) as (begin, go):
            late = begin(lambda: sql.submit(project))
            if not sql.database.is_sqlite:  # SQLite's writers wait for each other: nobody overtakes
                later = sql.submit(other)
                assert reader.look() == _whole(sql, later.id)
            assert reader.look() == []
            go.set()
            first = late.result()
        assert reader.look() == _whole(sql, first.id)
        assert reader.look() == []

    def test_an_end_that_is_committed_late_is_told_to_who_watches_and_to_who_resumes(self, sql: Stores):
        project = sql.project()
        task = sql.submit(project)
        reader = Reader(sql, project)
        lease = sql.claim().lease
        sql.drive(lease, TaskStatus.POSTPROCESS_START)
        reader.look()
        with _late_commits(sql) as (begin, go):
            late = begin(lambda: sql.tasks.write(lease, [Move(TaskStatus.POSTPROCESS_END)]))
            for _ in range(3):
                assert reader.look() == []
            since = reader.follower.told_until
            go.set()
            late.result()
        end = _whole(sql, task.id)[-1]
        assert end[2] is EventType.POSTPROCESS_END
        # Its time lies before the moment from which the other one resumes.
        assert sql.task(task.id).times[TaskStatus.POSTPROCESS_END] < since
        resumed = Reader(sql, project, since, {task.id: end[1] - 1})
        assert resumed.look() == [end]
        assert reader.look() == [end]

    @pytest.mark.parametrize("sql", ["postgres"], indirect=True)  # SQLite's writers wait for each other
    def test_two_ends_committed_in_the_other_order_are_both_told(self, sql: Stores):
        project = sql.project()
        leases = [(sql.submit(project).id, sql.claim().lease) for _ in range(2)]
        for _, lease in leases:
            sql.drive(lease, TaskStatus.POSTPROCESS_START)
        reader = Reader(sql, project)
        reader.look()
        with _late_commits(sql) as (begin, go):
            late = begin(lambda: sql.tasks.write(leases[0][1], [Move(TaskStatus.POSTPROCESS_END)]))
            sql.tasks.write(leases[1][1], [Move(TaskStatus.POSTPROCESS_END)])
            assert reader.look() == [_whole(sql, leases[1][0])[-1]]
            go.set()
            late.result()
        assert reader.look() == [_whole(sql, leases[0][0])[-1]]
