"""Engines that cannot load, die, or break their word: each costs its task at most."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import count

import pytest

from pipelines.contract import (
    Admit,
    EngineEvent,
    Failed,
    Finished,
    GenerationRequest,
    LogLine,
    SampleDone,
    Started,
)
from server.domain.errors import LeaseLost
from server.domain.events import EventType
from server.domain.lifecycle import RUNNING
from server.domain.task import NewTask
from server.domain.writes import Append
from server.worker.engine_process import Exited
from tests.stores import new_task
from tests.unit.worker.shop import OTHER, SIZE, Pause, Script, ScriptedEngine, done, shop, works


# ── bad engines ──────────────────────────────────────────────────────────────────────────────────────────────────────
def test_an_engine_that_cannot_load_is_tried_three_times(tmp_path, caplog):
    with shop(ScriptedEngine(loads=False), tmp_path, restarts=(0.0, 0.01)) as at:
        assert at.ended() == 1
        assert at.engine.starts == 3
        assert "giving up: no such weights" in caplog.text
        assert at.stores.alive(60) == []


def test_a_crash_is_counted_and_the_last_one_ends_the_task(tmp_path):
    def dies(request: GenerationRequest):
        yield Started(request.generation_id, 10)
        yield Exited(-9)

    with shop(ScriptedEngine(dies), tmp_path, restarts=(0.0,)) as at:
        task = at.finish(at.run())
        assert (task.pexit, task.attempt, at.types(task).count("task_start")) == ("137", 3, 3)
        at.engine.script = works
        assert at.finish(at.run()).pexit == "0"


def test_a_child_that_dies_after_its_last_picture_costs_nothing(tmp_path):
    def dies_late(request: GenerationRequest):
        for event in works(request):
            yield Exited(-9) if isinstance(event, Finished) else event

    with shop(ScriptedEngine(dies_late), tmp_path) as at:
        task = at.finish(at.run())
        assert (task.pexit, task.attempt, task.crashes, len(task.outputs)) == ("0", 1, 0, 2)


def _with(change: Callable[[EngineEvent], Sequence[EngineEvent]]) -> Script:
    def script(request: GenerationRequest):
        for event in works(request):
            yield from change(event)

    return script


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda event: [] if isinstance(event, SampleDone) else [event], "without all the pictures"),
        (
            lambda event: (
                [SampleDone(event.generation_id, 0, SIZE, SIZE, b"x")] if isinstance(event, SampleDone) else [event]
            ),
            "could not be stored",
        ),
        (
            lambda event: (
                [Failed(event.generation_id, "bad \0 name \udcff")] if isinstance(event, SampleDone) else [event]
            ),
            "bad ? name ?",
        ),
    ],
    ids=["a picture too few", "a picture of the wrong size", "a reason no database takes"],
)
def test_an_engine_that_breaks_its_word_costs_its_task_only(tmp_path, change, says: str):
    with shop(ScriptedEngine(_with(change)), tmp_path) as at:
        task = at.finish(at.run())
        assert (task.pexit, task.outputs) == ("1", ())
        assert says in task.message
        at.engine.script = works
        assert at.finish(at.run()).pexit == "0"


def test_a_full_disk_ends_the_task_with_a_reason(tmp_path):
    with shop(ScriptedEngine(), tmp_path) as at:
        at.files.full = True
        task = at.finish(at.run())
        at.files.full = False
        assert (task.pexit, task.message) == (
            "1",
            "The picture could not be stored: No space left on device. Tell the operator.",
        )
        assert at.finish(at.run()).pexit == "0"


def test_a_task_older_than_its_card_ends_with_a_reason_and_takes_no_worker_along(tmp_path):
    with shop(ScriptedEngine(), tmp_path) as at:
        old: NewTask = new_task(at.project.id, model=at.models[0])
        task = at.finish(at.stores.submit(old))
        assert task.pexit == "1"
        assert "Run the task again" in task.message
        assert at.finish(at.run()).pexit == "0"


def test_lines_of_the_engine_become_events_and_the_log(tmp_path):
    def chatty(request: GenerationRequest):
        for number in range(120):
            yield LogLine(request.generation_id, f"line {number}")
        yield from works(request)

    with shop(ScriptedEngine(chatty), tmp_path) as at:
        task = at.finish(at.run())
        events = at.events(task)
        assert sum(event.type is EventType.ERROR for event in events) == 50
        full = next(event.message for event in events if event.type is EventType.OUTPUT_FULL)
        assert "line 118\nline 119" in full["raw"]


def test_a_stale_word_about_a_forgotten_generation_is_not_heard(tmp_path):
    with shop(ScriptedEngine(), tmp_path) as at:
        task = at.finish(at.run())
        before = at.events(task)
        generation = next(one.request for one in at.engine.commands if isinstance(one, Admit))
        for event in (*works(generation), Failed(generation.generation_id, "too late")):
            at.engine._hear(event)
        assert at.finish(at.run()).pexit == "0"
        assert at.events(task) == before


def test_another_workers_silent_task_is_rescued(tmp_path):
    with shop(ScriptedEngine(loads=True), tmp_path, lease=0.09) as at:
        at.troubled.away = True
        task = at.run()
        claimed = at.stores.claim(OTHER, at.models, 30)
        assert claimed is not None
        at.now += 60
        at.troubled.away = False
        task = at.finish(task)
        assert (task.pexit, task.attempt) == ("0", 2)
        with suppress(LeaseLost):
            at.stores.write(claimed.lease, [Append(())])
            pytest.fail("the silent worker may still write")


def test_a_failure_waits_for_the_pictures_that_came_before_it(tmp_path):
    def fails_after_two(request: GenerationRequest):
        yield Started(request.generation_id, 6)
        yield done(request, 0)
        yield done(request, 1)
        yield Failed(request.generation_id, "The third one can't be drawn.")

    with shop(ScriptedEngine(fails_after_two), tmp_path) as at:
        task = at.finish(at.run(samples=3))

        assert (task.pexit, task.message) == ("1", "The third one can't be drawn.")
        assert [file.sample for file in task.partial_outputs] == [0, 1]


def test_no_file_is_left_that_no_row_names(tmp_path):
    """Neither of an attempt that died nor of a picture that came after the kill."""
    attempts = count()

    def dies_once(request: GenerationRequest):
        yield Started(request.generation_id, 4)
        yield done(request, 0)
        if next(attempts) == 0:
            yield Exited(-9)
        yield done(request, 1)
        yield Finished(request.generation_id)

    with shop(ScriptedEngine(dies_once), tmp_path, restarts=(0.0,)) as at:
        task = at.finish(at.run(samples=2))
        assert task.attempt == 2

    kept = {file.key for file in task.files}
    assert {str(path.relative_to(at.folder)) for path in at.folder.rglob("*.png")} == kept


def test_an_engine_that_draws_without_a_word_is_ended_and_counts_as_a_crash(tmp_path):
    attempts, never = count(), Pause()

    def hangs_once(request: GenerationRequest):
        if next(attempts) == 0:
            yield Started(request.generation_id, 4)
            yield never
            return
        yield from works(request)

    with shop(ScriptedEngine(hangs_once), tmp_path, restarts=(0.0,), stall=0.2) as at:
        task = at.finish(at.run())

        assert at.engine.ended == ["SIGTERM"]
        assert (task.pexit, task.attempt, task.crashes) == ("0", 2, 1)


def test_a_group_wide_sigterm_is_no_crash(tmp_path):
    attempts = count()

    def told_to_go(request: GenerationRequest):
        if next(attempts) == 0:
            yield Started(request.generation_id, 4)
            yield Exited(-15)
        yield from works(request)

    with shop(ScriptedEngine(told_to_go), tmp_path, restarts=(0.0,)) as at:
        task = at.finish(at.run())

        assert (task.pexit, task.attempt, task.crashes) == ("0", 1, 0)


def test_a_kill_that_meets_a_dying_engine_keeps_the_pictures_it_promised(tmp_path):
    pause = Pause()

    def dies_in_its_pause(request: GenerationRequest):
        yield Started(request.generation_id, 4)
        yield done(request, 0)
        yield pause
        yield Exited(-9)

    with shop(ScriptedEngine(dies_in_its_pause), tmp_path, watch=3600, heartbeat=3600) as at:
        task = at.run()
        at.wait(lambda: len(at.look(task).files) == 1)
        assert at.stores.cancel(task.id, RUNNING)
        pause.go_on.set()
        at.wait(lambda: at.engine.starts == 2)

        [kept] = at.look(task).partial_outputs
        assert (at.folder / kept.key).exists()


def test_a_bloated_engine_is_replaced_between_two_tasks_and_nothing_is_lost(tmp_path):
    with shop(ScriptedEngine(bytes=11), tmp_path, recycle=10) as at:
        tasks = [at.finish(at.run()) for _ in range(3)]

        assert [(task.pexit, task.attempt, task.crashes) for task in tasks] == [("0", 1, 0)] * 3
        at.wait(lambda: at.engine.starts == 4)
        assert at.engine.ended == ["SIGTERM"] * 3
