"""Previews on the worker's side: the engine draws some while somebody asks, and they never harm a task."""

import io

from PIL import Image

from pipelines.contract import Phase, Preview, Started, Stepped, Watch
from server.worker.previews import INTERVAL, encoded
from tests.unit.worker.shop import STORY, Pause, ScriptedEngine, done, shop


def shown(request, step: int) -> Preview:
    return Preview(request.generation_id, 0, step, 2, 4, 2, bytes([step * 90] * 24))


def watched(pause: Pause, *, previews: int = 1):
    """An engine that waits before its previews, and again after them."""
    after = Pause()

    def script(request):
        yield Started(request.generation_id, 2)
        yield pause
        for step in range(1, previews + 1):
            yield shown(request, step)
        yield after
        yield Stepped(request.generation_id, Phase.BASE, 0, 2, 2)
        for sample in range(request.samples):
            yield done(request, sample)

    return script, after


def test_nobody_asks_and_the_engine_is_asked_for_none(tmp_path):
    engine = ScriptedEngine()
    with shop(engine, tmp_path / "files") as opened:
        assert opened.finish(opened.run()).pexit == "0"
    assert not [command for command in engine.commands if isinstance(command, Watch)]


def test_whoever_asks_is_shown_a_jpeg_and_the_task_goes_its_way(tmp_path):
    pause = Pause()
    script, after = watched(pause, previews=2)
    engine = ScriptedEngine(script)
    with shop(engine, tmp_path / "files") as opened:
        board = opened.stores.previews
        task = opened.run()
        board.ask([task.id], 60)
        opened.wait(lambda: [it for it in engine.commands if isinstance(it, Watch)])
        [watch] = [it for it in engine.commands if isinstance(it, Watch)]
        assert watch.interval == INTERVAL >= 0.5
        assert watch.generation_id.startswith(f"{task.id}.")
        pause.go_on.set()
        opened.wait(lambda: [it.step for it in board.latest({task.id: 0})] == [2])
        [preview] = board.latest({task.id: 0})
        after.go_on.set()
        opened.wait(lambda: opened.look(task).terminal or len(opened.look(task).files) == 2)
        assert opened.types(task)[: len(STORY) - 4] == STORY[: len(STORY) - 4], "a preview is no event"
        image = Image.open(io.BytesIO(preview.jpeg))
        assert (image.format, image.size) == ("JPEG", (preview.width, preview.height))


def test_when_nobody_asks_any_longer_the_engine_is_told(tmp_path):
    pause = Pause()
    engine = ScriptedEngine(watched(pause)[0])
    with shop(engine, tmp_path / "files") as opened:
        task = opened.run()
        opened.stores.previews.ask([task.id], 60)
        opened.wait(lambda: any(isinstance(it, Watch) for it in engine.commands))
        opened.stores.previews.ask([task.id], -1)
        opened.wait(lambda: [it.interval for it in engine.commands if isinstance(it, Watch)] == [INTERVAL, None])


def test_a_board_that_is_away_harms_no_task(tmp_path):
    pause = Pause()
    script, after = watched(pause)
    engine = ScriptedEngine(script)
    with shop(engine, tmp_path / "files") as opened:
        task = opened.run()
        opened.stores.previews.ask([task.id], 60)
        opened.wait(lambda: any(isinstance(it, Watch) for it in engine.commands))
        # gone between the request and the preview, as a killed task's row is
        opened.stores.previews.ask([task.id], -1)
        pause.go_on.set()
        after.go_on.set()
        assert opened.finish(task).pexit == "0"
        assert list(opened.stores.previews.latest({task.id: 0})) == []


def test_small_previews_are_enlarged_and_keep_their_shape():
    small = encoded(Preview("g", 1, 3, 9, 16, 32, bytes(16 * 32 * 3)))
    assert (small.width, small.height) == (128, 256)
    assert (small.sample, small.step, small.total_steps) == (1, 3, 9)
    large = encoded(Preview("g", 0, 1, 9, 192, 144, bytes(192 * 144 * 3)))
    assert (large.width, large.height) == (192, 144)
    assert len(large.jpeg) < 30_000
