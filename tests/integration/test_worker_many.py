"""Several tasks in hand: each keeps its own story, kill, failure and pictures; nobody takes more than is fair."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

from pipelines.contract import Admit, Failed, GenerationRequest, SampleDone, Started, Withdraw
from server.domain.lifecycle import RUNNING, TaskStatus
from server.domain.task import Task
from server.domain.worker import Worker, WorkerState
from server.worker.engine_process import Exited
from tests.stores import new_project
from tests.unit.worker.shop import OTHER, STORY, Pause, ScriptedEngine, Shop, done, paused, shop, works

PLACES = 4


@contextmanager
def wide_shop(script, folder, places: int = PLACES, **timing: float) -> Iterator[Shop]:
    with shop(ScriptedEngine(script, capacity=places), folder, **timing) as opened:
        yield opened


def each_pauses(pauses: dict[int, Pause], after: type = Started):
    """Every generation waits for its own pause, found by its seed."""

    def script(request: GenerationRequest):
        yield from paused(pauses[request.seed], after=after)(request)

    return script


def drawing(at: Shop, *tasks: Task) -> None:
    at.wait(lambda: all(at.look(task).status is TaskStatus.START for task in tasks))


def projects(at: Shop, names: int) -> list:
    return [at.project, *(at.stores.create(new_project(f"other-{name}")) for name in range(names - 1))]


def test_several_are_drawn_at_once_and_each_has_its_whole_story(tmp_path):
    pauses = {seed: Pause() for seed in range(3)}
    with wide_shop(each_pauses(pauses), tmp_path) as at:
        tasks = [at.run(seed=str(seed)) for seed in pauses]
        drawing(at, *tasks)
        for pause in reversed(pauses.values()):
            pause.go_on.set()
        for task in tasks:
            finished = at.finish(task)
            assert at.types(task) == STORY
            assert (finished.pexit, finished.attempt, len(finished.outputs)) == ("0", 1, 2)


def test_no_more_are_taken_than_there_is_room_for_and_a_project_leaves_some(tmp_path):
    pauses = {seed: Pause() for seed in range(6)}
    with wide_shop(each_pauses(pauses), tmp_path) as at:
        tasks = [at.run(seed=str(seed)) for seed in range(4)]
        drawing(at, *tasks[:3])
        other = projects(at, 2)[1]
        late = at.run(other, seed="4")
        later = at.run(other, seed="5")
        drawing(at, late)
        assert at.look(tasks[3]).status is TaskStatus.QUEUE, "three of four places are a project's part"
        assert at.look(later).status is TaskStatus.QUEUE, "there is no fifth place"
        for pause in pauses.values():
            pause.go_on.set()
        assert {at.finish(task).pexit for task in (*tasks, late, later)} == {"0"}


def test_a_kill_stops_one_and_keeps_what_it_had(tmp_path):
    pauses = {seed: Pause() for seed in range(3)}
    with wide_shop(each_pauses(pauses, SampleDone), tmp_path, stop_grace=5) as at:
        tasks = [at.run(seed=str(seed)) for seed in pauses]
        at.wait(lambda: all(len(at.look(task).files) == 1 for task in tasks))
        assert at.stores.cancel(tasks[1].id, RUNNING)
        at.wait(lambda: any(isinstance(one, Withdraw) for one in at.engine.commands))
        for pause in pauses.values():
            pause.go_on.set()
        assert [at.finish(task).pexit for task in tasks] == ["0", "", "0"]
        assert [file.sample for file in at.look(tasks[1]).partial_outputs] == [0]
        assert len([one for one in at.engine.commands if isinstance(one, Withdraw)]) == 1
        assert at.engine.starts == 1


def test_one_fails_and_the_others_are_drawn(tmp_path):
    pauses = {seed: Pause() for seed in range(3)}

    def script(request: GenerationRequest):
        for event in each_pauses(pauses)(request):
            if request.seed == 1 and isinstance(event, SampleDone) and event.sample == 1:
                yield Failed(request.generation_id, "This one can't be drawn.")
                return
            yield event

    with wide_shop(script, tmp_path) as at:
        tasks = [at.run(seed=str(seed)) for seed in pauses]
        drawing(at, *tasks)
        for pause in pauses.values():
            pause.go_on.set()
        assert [at.finish(task).pexit for task in tasks] == ["0", "1", "0"]
        assert at.look(tasks[1]).message == "This one can't be drawn."


def test_a_task_that_kills_its_engine_ends_and_takes_no_neighbour_along(tmp_path):
    """Everybody in flight is counted one crash; from then on each is drawn alone."""
    begun, never = set[int](), Pause()

    def script(request: GenerationRequest):
        first = request.seed not in begun
        begun.add(request.seed)
        yield Started(request.generation_id, 2)
        if request.seed == 1:
            while len(begun) < 3:
                time.sleep(0.002)
            yield Exited(-9)
        elif first:
            yield never
        yield from list(works(request))[1:]

    with wide_shop(script, tmp_path, restarts=(0.0,)) as at:
        tasks = [at.run(seed=str(seed)) for seed in range(3)]
        ended = [at.finish(task) for task in tasks]

        assert [task.pexit for task in ended] == ["0", "137", "0"]
        assert [task.crashes for task in ended] == [1, 2, 1], "the poison's third ended it"


def test_a_suspect_waits_until_the_engine_draws_nothing_else(tmp_path):
    crashes, pauses = count(), {seed: Pause() for seed in range(3)}

    def script(request: GenerationRequest):
        if request.seed == 0 and next(crashes) == 0:
            yield Started(request.generation_id, 2)
            yield Exited(-9)
        yield from each_pauses(pauses)(request)

    with wide_shop(script, tmp_path, restarts=(0.0,)) as at:
        suspect = at.run(seed="0")
        at.wait(lambda: at.look(suspect).crashes == 1)
        drawing(at, suspect)
        beside = at.run(seed="1")
        assert not pauses[1].reached.wait(0.2)
        assert at.look(beside).status is TaskStatus.QUEUE
        pauses[0].go_on.set()
        pauses[1].go_on.set()
        assert {at.finish(task).pexit for task in (suspect, beside)} == {"0"}


def test_all_go_back_to_the_queue_at_the_second_stop(tmp_path):
    pauses = {seed: Pause() for seed in range(3)}
    with wide_shop(each_pauses(pauses), tmp_path) as at:
        tasks = [at.run(seed=str(seed)) for seed in pauses]
        drawing(at, *tasks)
        at.supervisor.stop()
        at.supervisor.stop()
        assert at.ended() == 0
        assert [(at.look(task).status, at.look(task).attempt) for task in tasks] == [(TaskStatus.QUEUE, 0)] * 3


def test_the_first_stop_lets_all_finish(tmp_path):
    pauses = {seed: Pause() for seed in range(3)}
    with wide_shop(each_pauses(pauses), tmp_path) as at:
        tasks = [at.run(seed=str(seed)) for seed in pauses]
        drawing(at, *tasks)
        at.supervisor.stop()
        at.wait(lambda: at.stores.alive(60)[0].state is WorkerState.DRAINING)
        for pause in pauses.values():
            pause.go_on.set()
        assert at.ended() == 0
        assert {at.look(task).pexit for task in tasks} == {"0"}


def test_a_busy_worker_leaves_fresh_tasks_to_the_others(tmp_path):
    pauses = {seed: Pause() for seed in range(2)}
    with wide_shop(each_pauses(pauses), tmp_path, patience=30) as at:
        at.stores.beat(Worker(id=OTHER, host="", pid=2, engine="s", device="", state=WorkerState.READY))
        at.wait(lambda: at.supervisor._others == 1)
        first, second = at.run(seed="0"), at.run(seed="1")
        drawing(at, first)
        assert not pauses[1].reached.wait(0.2)
        at.now += 31
        drawing(at, second)
        for pause in pauses.values():
            pause.go_on.set()
        assert {at.finish(task).pexit for task in (first, second)} == {"0"}


def test_a_worker_alone_waits_for_nobody(tmp_path):
    pauses = {seed: Pause() for seed in range(2)}
    with wide_shop(each_pauses(pauses), tmp_path, patience=3600) as at:
        tasks = [at.run(seed=str(seed)) for seed in pauses]
        drawing(at, *tasks)
        for pause in pauses.values():
            pause.go_on.set()
        assert {at.finish(task).pexit for task in tasks} == {"0"}


def test_generations_of_a_project_share_and_a_death_in_mid_air_requeues_all(tmp_path):
    dead = count()

    def script(request: GenerationRequest):
        yield Started(request.generation_id, 2)
        yield done(request, 0)
        if request.seed == 0 and next(dead) == 0:
            yield Exited(-9)
        yield from list(works(request))[4:]

    with wide_shop(script, tmp_path, restarts=(0.0,)) as at:
        tasks = [at.run(seed=str(seed)) for seed in range(2)]
        assert {at.finish(task).pexit for task in tasks} == {"0"}
        shares = {one.request.share for one in at.engine.commands if isinstance(one, Admit)}
        assert shares == {str(at.project.id)}
        assert at.files_on_disk() == sum(len(at.look(task).files) for task in tasks)
