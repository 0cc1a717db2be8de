"""How SdxlEngine fails: one generation at a time, in a sentence; and when it can't go on."""

from collections.abc import Callable, Generator
from contextlib import contextmanager

import pytest
import torch

from models.chunks import CHUNK_TOKENS, MAX_CHUNKS
from pipelines.contract import Engine, EngineDefunct, Failed, Finished, LogLine, Phase, Started, Stepped, Withdrawn
from pipelines.sdxl import SdxlEngine
from tests.sdxl import Darkroom, miniature_fixture, request_for, run_dry  # noqa: F401 - a fixture

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")


@pytest.fixture(scope="module")
def darkroom(miniature) -> Darkroom:
    return Darkroom(miniature)


class Trap:
    """Raises what it holds when it is called."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __call__(self, *_args, **_kwargs):
        raise self.error


@contextmanager
def instead_of_the_unet(room: Darkroom, change: Callable[[torch.Tensor], object]) -> Generator[None, None, None]:
    """Let the base UNet return what `change` makes of its noise."""
    unet = room.engine._studio.base.unet
    hook = unet.register_forward_hook(lambda _unet, _inputs, output: change(output[0]))
    try:
        yield
    finally:
        hook.remove()


def test_it_is_an_engine(miniature):
    engine: Engine = SdxlEngine(base=miniature.base)
    assert not engine.busy


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"width": 60}, "multiples of 8"),
        ({"height": 0}, "multiples of 8"),
        ({"samples": 0}, "samples must be at least 1"),
        ({"steps": 0}, "steps must lie between 1 and 1000"),
        ({"steps": 1001}, "steps must lie between 1 and 1000"),
        ({"refiner_steps": 0}, "refiner steps must lie"),
        ({"guidance_scale": float("nan")}, "guidance scale must be a finite number"),
        ({"high_noise_frac": 0.0}, "above 0"),
        ({"noise_scheduler": "HeunDiscreteScheduler"}, "no noise scheduler 'HeunDiscreteScheduler'"),
    ],
)
def test_what_is_wrong_with_a_request_is_said(darkroom, changes, words):
    (answer,) = darkroom.draw(request_for(**changes))
    assert isinstance(answer, Failed)
    assert words in answer.reason


def test_refiner_steps_dont_matter_without_a_refiner(darkroom):
    events = darkroom.draw(request_for(use_refiner=False, refiner_steps=0, high_noise_frac=0.0))
    assert isinstance(events[-1], Finished)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB"), "ran out of memory"),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes"), "ran out of memory"),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied\nlong story"), "RuntimeError: mat1 and mat2 shapes"),
    ],
)
def test_an_error_in_a_step_fails_one_generation_and_the_next_is_drawn(darkroom, error, words):
    before = darkroom.final_latents(request_for())
    with instead_of_the_unet(darkroom, Trap(error)):
        events = darkroom.draw(request_for("bad"))
    assert isinstance(events[-1], Failed)
    assert words in events[-1].reason
    assert "\n" not in events[-1].reason
    assert torch.equal(darkroom.final_latents(request_for()), before)


@pytest.mark.parametrize(
    "text", ["CUDA error: an illegal memory access was encountered", "device-side assert triggered"]
)
def test_a_poisoned_device_is_the_end(miniature, text):
    room = Darkroom(miniature)
    with instead_of_the_unet(room, Trap(RuntimeError(text))), pytest.raises(EngineDefunct, match="unusable"):
        room.draw(request_for())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_latents_that_are_no_numbers_fail_instead_of_becoming_a_black_picture(darkroom, value):
    with instead_of_the_unet(darkroom, lambda noise: (noise * value,)):
        events = darkroom.draw(request_for(use_refiner=False))
    assert isinstance(events[-1], Failed)
    assert events[-1].reason.startswith("The latents are no longer finite")


def test_weights_that_arent_there_are_the_end(tmp_path):
    with pytest.raises(EngineDefunct, match="can't be loaded"):
        SdxlEngine(base=tmp_path / "nowhere").load(lambda _what, _fraction: None)


def test_a_withdrawal_names_the_phase_it_ended(darkroom):
    engine = darkroom.engine
    expected = {0: Phase.ENCODE, 1: Phase.BASE, 4: Phase.BASE, 5: Phase.REFINER, 7: Phase.DECODE}
    for pieces, phase in expected.items():
        engine.admit(request_for(use_refiner=True, high_noise_frac=0.7))
        events = [event for _ in range(pieces) for event in engine.step()]
        steps = [event for event in events if isinstance(event, Stepped)]
        total = next((event.total_steps for event in events if isinstance(event, Started)), 0)
        engine.withdraw("g1")
        assert run_dry(engine) == [Withdrawn("g1", phase, len(steps), total)]


def test_a_queued_generation_is_withdrawn_at_once(darkroom):
    darkroom.engine.admit(request_for("first"))
    darkroom.engine.admit(request_for("second"))
    darkroom.engine.step()
    darkroom.engine.withdraw("second")
    assert darkroom.engine.step() == [Withdrawn("second", Phase.ENCODE, 0, 0)]
    assert isinstance(run_dry(darkroom.engine)[-1], Finished)


def test_nothing_is_left_out_but_what_lies_beyond_the_last_chunk_and_that_is_said(darkroom):
    most = MAX_CHUNKS * CHUNK_TOKENS
    events = darkroom.draw(request_for(prompt="cat " * (most + 25), negative_prompt="dog " * most, steps=1))
    lines = [event.line for event in events if isinstance(event, LogLine)]
    assert lines == ["The prompt is longer than 32 chunks; its last 25 tokens were left out."]


def test_one_expert_can_be_loaded_alone(miniature):
    room = Darkroom(miniature, with_refiner=False)
    assert isinstance(room.draw(request_for(use_refiner=False))[-1], Finished)


def test_experts_share_what_is_the_same(darkroom):
    studio = darkroom.engine._studio
    assert studio.refiner.vae is studio.base.vae
    assert studio.refiner.text_stages[-1].text_encoder is studio.base.text_stages[-1].text_encoder
    assert studio.refiner.unet is not studio.base.unet
