"""The database goes away, the lease is lost, the worker is stopped: nothing is lost, nothing doubled."""

import time

import pytest

from pipelines.contract import (
    Admit,
    Finished,
    GenerationRequest,
    SampleDone,
    Started,
    Stepped,
    Withdraw,
)
from server.domain.lifecycle import RUNNING, TaskStatus
from server.domain.rescue import Limits
from server.domain.worker import WorkerState
from server.services.rescue import rescue
from tests.unit.worker.shop import OTHER, STORY, Pause, ScriptedEngine, paused, shop, works


def test_a_task_goes_its_way(tmp_path):
    with shop(ScriptedEngine(), tmp_path) as at:
        task = at.finish(at.run())
        assert at.types(task) == STORY
        assert (task.pexit, [file.sample for file in task.outputs]) == ("0", [0, 1])


# ── the database goes away ───────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("after", [Started, Stepped, SampleDone, Finished])
def test_an_outage_in_mid_task_loses_and_doubles_nothing(tmp_path, after):
    pause = Pause()
    with shop(ScriptedEngine(paused(pause, after=after)), tmp_path) as at:
        task = at.run()
        pause.reached.wait(5)
        at.troubled.away = True
        pause.go_on.set()
        at.wait(lambda: len(at.troubled.refused) >= 5)
        time.sleep(0.2)
        assert not at.look(task).terminal
        at.troubled.away = False
        task = at.finish(task)
        assert at.types(task) == STORY
        assert (task.pexit, task.attempt, len(task.outputs)) == ("0", 1, 2)
        assert len([one for one in at.engine.commands if isinstance(one, Admit)]) == 1
        assert at.files_on_disk() == 2


def test_the_outage_of_a_whole_lease_does_not_make_a_worker_rescue_its_own_task(tmp_path):
    """The rescue may come round before the next beat does."""
    pause = Pause()
    with shop(ScriptedEngine(paused(pause, after=SampleDone)), tmp_path, lease=0.09, heartbeat=3600) as at:
        task = at.run()
        pause.reached.wait(5)
        at.troubled.away = True
        at.now += 60  # the lease has run out
        at.wait(lambda: at.troubled.refused.count("renew") >= 3)
        at.troubled.away = False
        pause.go_on.set()
        task = at.finish(task)
        assert (at.types(task), task.attempt) == (STORY, 1)


def test_a_worker_can_be_stopped_while_the_database_is_away(tmp_path):
    pause = Pause()
    with shop(ScriptedEngine(paused(pause, after=Stepped)), tmp_path, stop_grace=0.2) as at:
        task = at.run()
        pause.reached.wait(5)
        at.troubled.away = True
        at.supervisor.stop()
        at.supervisor.stop()
        assert at.ended(2) == 0
        at.troubled.away = False
        at.now += 60
        assert rescue(at.stores, OTHER, 30, Limits()) == 1
        assert at.look(task).status is TaskStatus.QUEUE


# ── the lease is lost ────────────────────────────────────────────────────────────────────────────────────────────────
def _writes_of_a_task(tmp_path) -> int:
    with shop(ScriptedEngine(), tmp_path) as at:
        at.finish(at.run())
        return at.troubled.writes


def test_a_lease_lost_before_any_write_changes_nothing_any_more(tmp_path):
    total = _writes_of_a_task(tmp_path / "whole")
    assert total >= 4  # begin, start, picture and end
    for number in range(1, total + 1):
        _lose_the_lease_at(number, tmp_path / str(number))


def _lose_the_lease_at(number: int, folder) -> None:
    with shop(ScriptedEngine(), folder) as at:
        before: list = []

        def taken(count: int, _verb: str) -> None:
            if count != number:
                return
            at.now += 60  # the lease runs out, and somebody else is there first
            assert len(at.stores.take_over(OTHER, 3600)) == 1
            before.extend([at.look(task), at.events(task)])

        at.troubled.at_write = taken
        task = at.run()
        at.wait(lambda: before)
        at.troubled.at_write = lambda _count, _verb: None
        following = at.finish(at.run())
        assert following.pexit == "0", number
        assert [at.look(task), at.events(task)] == before, number


def test_a_kill_withdraws_the_drawing_and_frees_the_engine_for_the_next(tmp_path):
    pause = Pause()
    with shop(ScriptedEngine(paused(pause, after=Stepped)), tmp_path, stop_grace=5) as at:
        task = at.run()
        pause.reached.wait(5)
        assert at.stores.cancel(task.id, RUNNING)
        at.wait(lambda: any(isinstance(one, Withdraw) for one in at.engine.commands))
        pause.go_on.set()
        assert at.finish(at.run()).pexit == "0"
        assert at.types(task)[-1] == "task_cancel"
        assert at.look(task).pexit == ""
        assert at.engine.starts == 1


def test_an_engine_that_does_not_obey_is_ended_gently_and_then_hard(tmp_path):
    def deaf(request: GenerationRequest):
        yield Started(request.generation_id, 10)
        if len(engine.ended) == 0:
            while not engine.ended:
                time.sleep(0.002)

    engine = ScriptedEngine(deaf)
    gentle = engine.terminate
    engine.terminate = lambda: engine.ended.append("SIGTERM, not heard")  # type: ignore[method-assign]
    with shop(engine, tmp_path) as at:
        task = at.run()
        at.wait(lambda: at.look(task).status is TaskStatus.START)
        at.stores.cancel(task.id, RUNNING)
        at.wait(lambda: "SIGKILL" in engine.ended)
        assert engine.ended == ["SIGTERM, not heard", "SIGKILL"]
        engine.terminate = gentle  # type: ignore[method-assign]
        engine.script = works
        assert at.finish(at.run()).pexit == "0"
        assert engine.starts == 2


# ── stopping ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_first_stop_lets_the_task_finish_and_claims_no_other(tmp_path):
    pause = Pause()
    with shop(ScriptedEngine(paused(pause, after=Stepped)), tmp_path) as at:
        task, other = at.run(), at.run()
        pause.reached.wait(5)
        at.supervisor.stop()
        at.wait(lambda: at.stores.alive(60)[0].state is WorkerState.DRAINING)
        pause.go_on.set()
        assert at.ended() == 0
        assert at.look(task).pexit == "0"
        assert at.types(other) == ["task_queue"]
        assert at.stores.alive(60) == []


@pytest.mark.parametrize("stops", [1, 2])
def test_what_is_not_finished_in_time_goes_back_uncounted(tmp_path, stops: int):
    pause = Pause()
    with shop(ScriptedEngine(paused(pause, after=Stepped)), tmp_path, drain=0.1 if stops == 1 else 3600) as at:
        task = at.run()
        pause.reached.wait(5)
        for _ in range(stops):
            at.supervisor.stop()
        assert at.ended() == 0
        task = at.look(task)
        assert (task.status, task.attempt, task.crashes, task.files) == (TaskStatus.QUEUE, 0, 0, ())
        assert at.types(task)[-1] == "task_queue"


def test_a_stop_while_loading_is_obeyed(tmp_path):
    engine = ScriptedEngine()
    engine.start = lambda _hear: None  # type: ignore[method-assign]
    with shop(engine, tmp_path) as at:
        at.supervisor.stop()
        assert at.ended() == 0
