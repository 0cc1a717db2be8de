"""A picture's bytes never depend on what is drawn beside it, before it or behind it."""

import random
from collections.abc import Sequence
from itertools import count

import pytest

from pipelines.contract import EngineEvent, Finished, GenerationRequest, SampleDone
from pipelines.noise_schedulers import NOISE_SCHEDULERS
from pipelines.sdxl import SdxlEngine
from tests.sdxl import Miniature, miniature_fixture, request_for, run_dry  # noqa: F401 - a fixture

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:__array_wrap__ must accept context:DeprecationWarning"),
]

SIZES = [(64, 64), (64, 64), (128, 64), (72, 136)]


def engine_of(miniature: Miniature, rows: int) -> SdxlEngine:
    engine = SdxlEngine(base=miniature.base, refiner=miniature.refiner, threads=1, batch_rows=rows)
    engine.load(lambda _what, _fraction: None)
    return engine


class Studio:
    """Draws requests alone, each once, and in mixes."""

    def __init__(self, miniature: Miniature, rows: int) -> None:
        self._miniature = miniature
        self._engine = engine_of(miniature, rows)
        self._names = count()

    def some_request(self, dice: random.Random) -> GenerationRequest:
        width, height = dice.choice(SIZES)
        lora = self._miniature.lora_use(dice.choice([0.5, 1.0]))
        return request_for(
            f"g{next(self._names)}",
            width=width,
            height=height,
            samples=dice.choice([1, 1, 2, 3]),
            seed=dice.randrange(1000),
            steps=dice.randint(1, 6),
            refiner_steps=dice.randint(1, 6),
            use_refiner=dice.random() < 0.5,
            high_noise_frac=dice.choice([0.3, 0.7, 0.8]),
            guidance_scale=dice.choice([1.0, 5.0, 7.5]),
            noise_scheduler=dice.choice(list(NOISE_SCHEDULERS)),
            loras=dice.choice([(), (), (lora,)]),
        )

    def alone(self, request: GenerationRequest) -> list[bytes]:
        self._engine.admit(request)
        return pictures(run_dry(self._engine), request)

    def mixed(self, requests: Sequence[GenerationRequest], dice: random.Random) -> list[EngineEvent]:
        """Draw them all, some coming later; one more is withdrawn on the way."""
        waiting, events = list(requests), list[EngineEvent]()
        gone = self.some_request(dice)
        self._engine.admit(gone)
        while self._engine.busy or waiting:
            if waiting and (not self._engine.busy or dice.random() < 0.3):
                self._engine.admit(waiting.pop(0))
            if dice.random() < 0.05:
                self._engine.withdraw(gone.generation_id)
            events.extend(self._engine.step())
        return events


def pictures(events: Sequence[EngineEvent], request: GenerationRequest) -> list[bytes]:
    mine = [event for event in events if event.generation_id == request.generation_id]
    assert isinstance(mine[-1], Finished), mine[-1]
    drawn = [event for event in mine if isinstance(event, SampleDone)]
    assert [event.sample for event in drawn] == list(range(request.samples))
    return [event.rgb for event in drawn]


@pytest.mark.timeout(3000)
@pytest.mark.parametrize(
    ("rows", "mixes"),
    [
        (2, 4),
        (4, 4),
        pytest.param(2, 50, marks=pytest.mark.slow),
        pytest.param(4, 25, marks=pytest.mark.slow),
        pytest.param(8, 25, marks=pytest.mark.slow),
    ],
)
def test_every_picture_is_the_same_bytes_as_alone(miniature, rows, mixes):
    studio, dice = Studio(miniature, rows), random.Random(rows)
    for _ in range(mixes):
        requests = [studio.some_request(dice) for _ in range(dice.randint(2, 6))]
        events = studio.mixed(requests, dice)
        for request in requests:
            assert pictures(events, request) == studio.alone(request), request


def test_a_wide_forward_holds_several_where_places_are_the_same_and_one_where_they_are_not(miniature):
    engine = engine_of(miniature, 4)
    forwards: list[int] = []
    hook = engine._studio.base.unet.register_forward_pre_hook(lambda _unet, inputs: forwards.append(len(inputs[0])))
    for size, rows in (((64, 64), 4), ((72, 136), 2)):
        for name in ("a", "b"):
            engine.admit(request_for(name, use_refiner=False, height=size[0], width=size[1]))
        run_dry(engine)
        assert set(forwards[1:]) == {rows}, "but for the first forward, which finds it out"
        assert len(forwards[1:]) == 24 // rows
        forwards.clear()
    hook.remove()


def test_a_forward_without_guidance_holds_as_many_samples_in_half_the_rows(miniature):
    engine = engine_of(miniature, 4)
    forwards: list[int] = []
    engine._studio.base.unet.register_forward_pre_hook(lambda _unet, inputs: forwards.append(len(inputs[0])))
    engine.admit(request_for("a", use_refiner=False, guidance_scale=1.0))
    run_dry(engine)
    assert set(forwards) == {2}


def test_what_breaks_a_shared_forward_fails_alone(miniature):
    """Nobody knows whose fault it was: each tries again by itself."""
    studio = Studio(miniature, 4)
    good, bad = request_for("good", use_refiner=False), request_for("bad", use_refiner=False, prompt="cat")
    expected = studio.alone(good)
    engine = studio._engine
    engine.admit(good)
    engine.admit(bad)
    poison = None

    def explode(_unet, _inputs, options):
        embeds = options["encoder_hidden_states"]
        if poison is not None and any(bool((row == poison).all()) for row in embeds):
            raise RuntimeError("a kernel that dislikes this prompt")

    hook = engine._studio.base.unet.register_forward_pre_hook(explode, with_kwargs=True)
    events = [event for _ in range(2) for event in engine.step()]
    poison = next(
        generation._prepared.parts["base"].conditioning.prompt_embeds[1]
        for generation in engine._in_flight.values()
        if generation.request.generation_id == "bad"
    )
    events += run_dry(engine)
    hook.remove()
    assert pictures(events, good) == expected
    assert [type(event).__name__ for event in events if event.generation_id == "bad"][-1] == "Failed"
