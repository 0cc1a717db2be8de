"""What every engine promises, whatever draws its pictures."""

import json
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from pipelines.contract import (
    Engine,
    EngineEvent,
    Failed,
    Finished,
    GenerationRequest,
    Phase,
    Preview,
    SampleDone,
    Started,
    Stepped,
    Withdrawn,
)
from pipelines.fake import FakeEngine
from pipelines.sdxl import SdxlEngine
from tests.sdxl import Miniature, miniature_fixture, request_for, run_dry  # noqa: F401 - a fixture

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning",
    "ignore:__array_wrap__ must accept context:DeprecationWarning",
)

ANSWERS = (Finished, Failed, Withdrawn)


@dataclass(frozen=True)
class Case:
    """A loaded engine, and a request that it can't draw."""

    engine: Engine
    doomed: Callable[[str], GenerationRequest]


def sdxl_case(miniature: Miniature) -> Case:
    engine = SdxlEngine(base=miniature.base, refiner=miniature.refiner, threads=1)
    return Case(engine, lambda generation_id: request_for(generation_id, width=60))


def fake_case(_miniature: Miniature) -> Case:
    engine = FakeEngine(step_ms=0, mode="works")
    return Case(engine, lambda generation_id: request_for(generation_id, prompt="<fake:fails_at_step:2>"))


@pytest.fixture(scope="module", params=[sdxl_case, fake_case], ids=["sdxl", "fake"])
def case(request, miniature) -> Case:
    case = request.param(miniature)
    case.engine.load(lambda _what, _fraction: None)
    return case


@pytest.fixture
def engine(case) -> Engine:
    assert not case.engine.busy, "the test before left something in flight"
    return case.engine


def draw(engine: Engine, request: GenerationRequest) -> list[EngineEvent]:
    engine.admit(request)
    return run_dry(engine)


def of_kind(events: list[EngineEvent], *kinds: type) -> list:
    return [event for event in events if isinstance(event, kinds)]


def step_until(engine: Engine, kind: type, times: int = 1) -> list[EngineEvent]:
    events: list[EngineEvent] = []
    while len(of_kind(events, kind)) < times:
        assert engine.busy, events
        events.extend(engine.step())
    return events


# ── loading ──────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("make", [sdxl_case, fake_case], ids=["sdxl", "fake"])
def test_loading_reports_rising_fractions_and_names_the_device(make, miniature):
    reports: list[tuple[str, float]] = []
    device = make(miniature).engine.load(lambda what, fraction: reports.append((what, fraction)))
    fractions = [fraction for _, fraction in reports]
    assert device
    assert fractions == sorted(fractions)
    assert all(0 <= fraction <= 1 for fraction in fractions)
    assert all(what for what, _ in reports)


# ── a generation that goes well ──────────────────────────────────────────────────────────────────────────────────────
def test_the_events_come_in_order(engine):
    events = draw(engine, request_for(samples=2))
    story = of_kind(events, Started, Stepped, SampleDone, Finished)
    assert isinstance(story[0], Started)
    assert isinstance(story[-1], Finished)
    samples = [event.sample for event in story if isinstance(event, Stepped | SampleDone)]
    assert samples == sorted(samples), "sample 0 is drawn to its end before sample 1"
    for sample in range(2):
        mine = [event for event in story if isinstance(event, Stepped | SampleDone) and event.sample == sample]
        assert [type(event) for event in mine] == [Stepped] * (len(mine) - 1) + [SampleDone]


def test_steps_are_counted_from_one_over_all_samples(engine):
    events = draw(engine, request_for(samples=3))
    (started,) = of_kind(events, Started)
    steps = of_kind(events, Stepped)
    assert [event.step for event in steps] == list(range(1, started.total_steps + 1))
    assert {event.total_steps for event in steps} == {started.total_steps}
    assert started.total_steps % 3 == 0


def test_the_base_comes_before_the_refiner(engine):
    phases = [event.phase for event in of_kind(draw(engine, request_for()), Stepped)]
    assert set(phases) == {Phase.BASE, Phase.REFINER}
    assert phases == sorted(phases), "base, then refiner"


def test_without_refiner_the_base_runs_every_step(engine):
    phases = [event.phase for event in of_kind(draw(engine, request_for(use_refiner=False)), Stepped)]
    assert phases == [Phase.BASE] * 6


@pytest.mark.parametrize(("width", "height"), [(64, 64), (128, 64), (64, 72)])
def test_pixels_are_rgb_of_the_size_asked_for(engine, width, height):
    (done,) = of_kind(draw(engine, request_for(width=width, height=height)), SampleDone)
    assert (done.width, done.height) == (width, height)
    assert isinstance(done.rgb, bytes)
    assert len(done.rgb) == width * height * 3


def test_a_seed_always_gives_the_same_picture_and_another_seed_another(engine):
    first, second, other = (of_kind(draw(engine, request_for(seed=seed)), SampleDone)[0].rgb for seed in (11, 11, 12))
    assert first == second
    assert first != other


def test_sample_i_is_the_picture_of_seed_plus_i(engine):
    _, second = of_kind(draw(engine, request_for(samples=2, seed=20)), SampleDone)
    (alone,) = of_kind(draw(engine, request_for(seed=21)), SampleDone)
    assert second.rgb == alone.rgb


def test_every_event_names_its_generation(engine):
    assert {event.generation_id for event in draw(engine, request_for("mine"))} == {"mine"}


# ── answers ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_every_admit_is_answered_once(engine, case):
    requests = [request_for("one"), case.doomed("two"), request_for("three", samples=2), request_for("four")]
    for request in requests:
        engine.admit(request)
    events = list(engine.step())
    engine.withdraw("four")
    events += run_dry(engine)
    answers = {event.generation_id: type(event) for event in of_kind(events, *ANSWERS)}
    assert len(of_kind(events, *ANSWERS)) == 4
    assert answers == {"one": Finished, "two": Failed, "three": Finished, "four": Withdrawn}


def test_nothing_follows_an_answer(engine, case):
    for request in (request_for("good"), case.doomed("bad")):
        events = [event for event in draw(engine, request) if event.generation_id == request.generation_id]
        assert isinstance(events[-1], ANSWERS)


def test_a_failure_is_told_in_one_sentence_and_the_next_generation_is_drawn(engine, case):
    before = of_kind(draw(engine, request_for()), SampleDone)
    events = draw(engine, case.doomed("bad"))
    assert isinstance(events[-1], Failed)
    assert events[-1].reason.endswith(".")
    assert "\n" not in events[-1].reason
    assert of_kind(draw(engine, request_for()), SampleDone) == before


# ── withdrawal ───────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("steps", [1, 4, 9])
def test_a_withdrawal_on_the_way_says_how_far_it_came(engine, steps):
    engine.admit(request_for(samples=2, high_noise_frac=0.5))
    events = step_until(engine, Stepped, steps)
    total = of_kind(events, Started)[0].total_steps
    engine.withdraw("g1")
    (answer,) = run_dry(engine)
    assert isinstance(answer, Withdrawn)
    assert (answer.step, answer.total_steps) == (steps, total)
    assert answer.phase in set(Phase)


def test_a_withdrawal_before_the_first_step_is_answered(engine):
    engine.admit(request_for())
    engine.withdraw("g1")
    (answer,) = run_dry(engine)
    assert isinstance(answer, Withdrawn)
    assert answer.step == 0


def test_a_withdrawn_generation_takes_no_further_step(engine):
    engine.admit(request_for())
    step_until(engine, Stepped)
    engine.withdraw("g1")
    assert [type(event) for event in engine.step()] == [Withdrawn]
    assert not engine.busy


def test_withdrawing_twice_is_answered_once(engine):
    engine.admit(request_for())
    engine.step()
    engine.withdraw("g1")
    engine.withdraw("g1")
    assert [type(event) for event in run_dry(engine)] == [Withdrawn]


def test_an_unknown_id_is_ignored(engine):
    engine.withdraw("nobody")
    assert not engine.busy
    engine.admit(request_for())
    engine.withdraw("nobody")
    assert isinstance(run_dry(engine)[-1], Finished)
    engine.withdraw("g1")
    assert run_dry(engine) == []


def test_the_next_generation_after_a_withdrawal_is_as_if_nothing_had_been(engine):
    before = of_kind(draw(engine, request_for()), SampleDone)
    engine.admit(request_for("gone", samples=2, seed=99))
    step_until(engine, Stepped, 3)
    engine.withdraw("gone")
    run_dry(engine)
    assert of_kind(draw(engine, request_for()), SampleDone) == before


def test_a_withdrawal_leaves_the_others_alone(engine):
    alone = of_kind(draw(engine, request_for("kept")), SampleDone)
    engine.admit(request_for("gone"))
    engine.admit(request_for("kept"))
    step_until(engine, Stepped, 2)
    engine.withdraw("gone")
    events = run_dry(engine)
    assert of_kind(events, SampleDone) == alone
    assert of_kind(events, Finished) == [Finished("kept")]


# ── many in flight ───────────────────────────────────────────────────────────────────────────────────────────────────
def admit_all(engine: Engine, *requests: GenerationRequest) -> None:
    for request in requests:
        engine.admit(request)


def of_generation(events: list[EngineEvent], generation_id: str) -> list[EngineEvent]:
    return [event for event in events if event.generation_id == generation_id]


def test_there_is_room_for_several(engine):
    assert engine.capacity > 1


def test_a_short_generation_overtakes_a_long_one(engine):
    engine.admit(request_for("long", samples=4, steps=20, use_refiner=False))
    before = step_until(engine, Stepped, 3)
    engine.admit(request_for("short", steps=4, use_refiner=False))
    events = before + run_dry(engine)
    answers = [event.generation_id for event in of_kind(events, Finished)]
    assert answers == ["short", "long"]


def test_a_long_generation_goes_on_beside_short_ones(engine):
    engine.admit(request_for("long", samples=2, steps=10, use_refiner=False))
    events: list[EngineEvent] = []
    for number in range(6):
        engine.admit(request_for(f"short {number}", steps=4, use_refiner=False))
        while Finished(f"short {number}") not in events:
            events.extend(engine.step())
    assert len(of_kind(of_generation(events, "long"), Stepped)) >= 4
    run_dry(engine)


def test_each_ones_story_is_its_own_and_exact(engine):
    alone = {
        name: draw(engine, request_for(name, samples=2, seed=seed)) for name, seed in (("a", 1), ("b", 2), ("c", 3))
    }
    admit_all(engine, *(request_for(name, samples=2, seed=seed) for name, seed in (("a", 1), ("b", 2), ("c", 3))))
    events = run_dry(engine)
    order = [event.generation_id for event in of_kind(events, Stepped)]
    assert order != sorted(order), "they must interleave, or this shows nothing"
    for name, story in alone.items():
        assert of_generation(events, name) == story


def test_a_picture_comes_before_anybodys_next_step(engine):
    admit_all(engine, request_for("a", samples=2), request_for("b", samples=2))
    events = of_kind(run_dry(engine), Stepped, SampleDone)
    for sample, generation_id in ((0, "a"), (1, "a"), (0, "b"), (1, "b")):
        mine = [event for event in events if event.generation_id == generation_id and event.sample == sample]
        assert events.index(mine[-1]) == events.index(mine[-2]) + 1


def test_one_of_several_is_withdrawn_and_says_exactly_how_far_it_came(engine):
    alone = of_kind(draw(engine, request_for("kept", seed=5)), SampleDone)
    admit_all(engine, request_for("kept", seed=5), request_for("gone", samples=2), request_for("kept too"))
    events = step_until(engine, Stepped, 5)
    steps = len(of_kind(of_generation(events, "gone"), Stepped))
    engine.withdraw("gone")
    (answer,) = engine.step()
    assert isinstance(answer, Withdrawn)
    assert (answer.generation_id, answer.step) == ("gone", steps)
    rest = run_dry(engine)
    assert of_generation(rest, "gone") == []
    assert {event.generation_id for event in of_kind(rest, Finished)} == {"kept", "kept too"}
    assert of_kind(of_generation(events + rest, "kept"), SampleDone) == alone


def test_one_of_several_fails_and_the_others_are_drawn(engine, case):
    alone = of_kind(draw(engine, request_for("good", seed=5)), SampleDone)
    admit_all(engine, request_for("good", seed=5), case.doomed("bad"), request_for("good too"))
    events = run_dry(engine)
    assert {event.generation_id: type(event) for event in of_kind(events, *ANSWERS)} == {
        "good": Finished,
        "bad": Failed,
        "good too": Finished,
    }
    assert isinstance(of_generation(events, "bad")[-1], Failed)
    assert of_kind(of_generation(events, "good"), SampleDone) == alone


# ── previews ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_nobody_asks_and_no_preview_is_made(engine):
    assert of_kind(draw(engine, request_for(samples=2)), Preview) == []


def test_whoever_watches_sees_every_sample_on_its_way(engine):
    engine.admit(request_for(samples=2, width=128, height=64))
    engine.watch("g1", 0.0)
    events = run_dry(engine)

    previews, steps = of_kind(events, Preview), of_kind(events, Stepped)
    assert [(it.sample, it.step, it.total_steps) for it in previews] == [
        (it.sample, it.step, it.total_steps) for it in steps
    ]
    for preview in previews:
        assert preview.width == 2 * preview.height, "the picture's aspect, whatever the size"
        assert 16 <= preview.width <= 128
        assert len(preview.rgb) == preview.width * preview.height * 3
        assert preview.generation_id == "g1"


def test_an_interval_bounds_the_previews(engine):
    engine.admit(request_for(samples=2))
    engine.watch("g1", 3600.0)
    assert len(of_kind(run_dry(engine), Preview)) == 1


def test_watching_ends(engine):
    engine.admit(request_for())
    engine.watch("g1", 0.0)
    step_until(engine, Preview)
    engine.watch("g1", None)
    assert of_kind(run_dry(engine), Preview) == []
    assert of_kind(draw(engine, request_for()), Preview) == [], "the next of that name is not watched"


def test_a_watched_picture_is_the_same_picture(engine):
    alone = of_kind(draw(engine, request_for()), SampleDone)
    engine.admit(request_for())
    engine.watch("g1", 0.0)
    assert of_kind(run_dry(engine), SampleDone) == alone


def test_only_the_watched_one_is_shown_and_nobody_is_for_an_unknown_name(engine):
    engine.watch("seen", 0.0)  # before it is there
    for name in ("hidden", "seen"):
        engine.admit(request_for(name))
    assert of_kind(step_until(engine, Stepped), Preview) == []
    engine.watch("seen", 0.0)
    engine.watch("nobody", 0.0)
    assert {event.generation_id for event in of_kind(run_dry(engine), Preview)} == {"seen"}


def test_the_facts_say_what_draws(engine):
    assert engine.facts.dtype
    for settings in engine.facts.noise_schedulers.values():
        assert json.loads(json.dumps(settings)) == settings


# ── idle ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_an_idle_engine_has_nothing_to_say(engine):
    assert not engine.busy
    assert list(engine.step()) == []


# ── vitals ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_vitals_count_every_step_and_never_fall(engine):
    before = engine.vitals
    steps = len(of_kind(draw(engine, request_for("counted", samples=2)), Stepped))
    after = engine.vitals
    assert after.samples - before.samples == steps > 0
    assert after.forwards - before.forwards <= after.places - before.places
    assert after.samples <= after.places
    draw(engine, request_for("again", samples=2))
    again = engine.vitals
    assert again.embedding_misses == after.embedding_misses, "the same prompts are encoded once"
    assert all(getattr(again, name) >= getattr(after, name) for name in ("forwards", "places", "embedding_hits"))
