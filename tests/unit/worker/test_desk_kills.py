"""Kill receipts as the desk writes them: by the engine's answer, by force, and across an outage."""

import pytest

from pipelines.contract import Admit, Phase, Started, Stepped
from server.domain.kill import Means
from server.domain.lifecycle import RUNNING
from server.worker.engine_process import Exited
from tests.unit.worker.shop import Pause, ScriptedEngine, paused, shop


def cancel(it, task):
    assert it.stores.cancel(task.id, RUNNING)


def receipt(it, task):
    it.wait(lambda: it.look(task).kill is not None)
    return it.look(task).kill


def test_the_engines_own_answer_is_kept(tmp_path):
    pause = Pause()
    with shop(ScriptedEngine(paused(pause, after=Stepped)), tmp_path) as it:
        task = it.run()
        pause.reached.wait(5)
        cancel(it, task)
        kill = receipt(it, task)
    assert (kill.phase, kill.step, kill.total_steps, kill.means, kill.attempt) == ("base", 1, 2, Means.BOUNDARY, 1)
    assert kill.milliseconds == 0, "this shop's clock stands still"


class Deaf(ScriptedEngine):
    """Goes on whatever it is told; only signals end it, SIGTERM if `heeds` it."""

    heeds = True

    def withdrawn(self, generation_id: str) -> bool:
        return False

    def terminate(self) -> None:
        if self.heeds:
            super().terminate()
        else:
            self.ended.append("SIGTERM")


def stubborn(request):
    yield Started(request.generation_id, 40)
    yield Stepped(request.generation_id, Phase.REFINER, 0, 7, 40)
    yield Pause()


@pytest.mark.parametrize(("heeds", "means"), [(True, Means.SIGTERM), (False, Means.SIGKILL)])
def test_force_is_named_and_the_last_step_that_was_told(tmp_path, heeds, means):
    engine = Deaf(stubborn)
    engine.heeds = heeds
    with shop(engine, tmp_path) as it:
        task = it.run()
        it.wait(lambda: "task_start" in it.types(task))
        cancel(it, task)
        kill = receipt(it, task)
    assert (kill.phase, kill.step, kill.total_steps, kill.means) == ("refiner", 7, 40, means)


def test_a_death_of_its_own_while_it_is_being_stopped(tmp_path):
    pause = Pause()

    def dies(request):
        yield Started(request.generation_id, 40)
        yield pause
        yield Exited(-11)

    with shop(Deaf(dies), tmp_path, stop_grace=5.0) as it:
        task = it.run()
        it.wait(lambda: "task_start" in it.types(task))
        cancel(it, task)
        it.wait(lambda: len(it.engine.commands) > 1)
        pause.go_on.set()
        kill = receipt(it, task)
    assert (kill.phase, kill.step, kill.means) == ("encode", 0, Means.DEATH)


def test_it_waits_while_the_database_is_away(tmp_path):
    pause = Pause()
    engine = ScriptedEngine(paused(pause, after=Stepped))
    with shop(engine, tmp_path) as it:
        task = it.run()
        pause.reached.wait(5)

        def away(_number, verb):
            it.troubled.away = verb == "write_kill" and not it.troubled.refused

        it.troubled.at_write = away
        cancel(it, task)
        kill = receipt(it, task)
    assert kill.step == 1
    assert "write_kill" in it.troubled.refused


def test_what_was_not_killed_gets_none(tmp_path):
    engine = ScriptedEngine()
    with shop(engine, tmp_path) as it:
        task = it.finish(it.run())
    assert task.kill is None
    assert any(isinstance(command, Admit) for command in engine.commands)
