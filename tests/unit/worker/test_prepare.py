"""What a task is drawn with: sizes, words and LoRAs, and the receipt that says so."""

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from models.catalogue import Catalogue
from models.gate.gate import load_gate
from models.shipped import miniature_weights
from models.weights import WeightSet
from pipelines.contract import LoraUse, SampleDone
from server.adapters.memory import MemoryStores
from server.adapters.memory.refusals import MemoryRefusalLog
from server.adapters.wakeups import LocalWakeups
from server.domain.task import Task
from server.services.screen import Screen
from server.services.submit import Submission, accept, submit
from server.worker.pictures import encode_sample
from server.worker.prepare import CardPreparation, Prepared
from server.worker.receipt import notes_of
from tests.stores import new_project

CATALOGUE = Catalogue.load()
GATE = load_gate()
SLUG = "hevok/studio-trigger"
REAL = WeightSet(base=Path("/m/sdxl-base"), refiner=Path("/m/sdxl-refiner"), loras={"ink": Path("/m/loras/ink")})


def miniature() -> WeightSet:
    weights = miniature_weights()
    assert isinstance(weights, WeightSet)
    return weights


def task(**parameters: str) -> Task:
    stores = MemoryStores()
    run = Submission(
        project_id=stores.create(new_project("one")).id,
        owner="hevok",
        name="studio-trigger",
        parameters={"prompt": "a red circle", "seed": "1", **parameters},
        base_url="http://here",
    )
    return submit(stores, LocalWakeups(), run, accept(stores, CATALOGUE, Screen(GATE, MemoryRefusalLog()), run))


def prepared(weights: WeightSet | None, **parameters: str) -> Prepared:
    return CardPreparation(CATALOGUE, [SLUG], weights, GATE).prepare(task(**parameters), "g1")


# ── size ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_miniature_draws_large_pictures_at_its_own_area():
    it = prepared(miniature(), width="1024", height="512")

    assert (it.request.width, it.request.height, it.enlarged_to) == (184, 88, (1024, 512))
    assert it.receipt["size"] == {
        "drawn": {"width": 184, "height": 88},
        "delivered": {"width": 1024, "height": 512},
        "note": "Drawn at 184 × 88, the miniature's own area, and enlarged to 1024 × 512.",
    }


@pytest.mark.parametrize(("width", "height"), [("128", "128"), ("64", "96")])
def test_small_pictures_are_drawn_as_they_are(width, height):
    it = prepared(miniature(), width=width, height=height)

    assert (it.request.width, it.request.height, it.enlarged_to) == (int(width), int(height), None)
    assert "size" not in it.receipt


@pytest.mark.parametrize("weights", [REAL, replace(REAL, refiner=None), None])
def test_others_draw_the_size_that_was_asked_for(weights):
    it = prepared(weights, width="1024", height="512")

    assert (it.request.width, it.request.height, it.enlarged_to) == (1024, 512, None)
    assert it.receipt["miniature"] is False
    assert not {"size", "words"} & set(it.receipt)
    assert len(notes_of(it.receipt)) == 1, "60 and 20 steps don't meet, or there is no refiner"


def test_a_card_without_a_refiner_uses_none_though_the_worker_holds_one():
    own = CATALOGUE.find(*SLUG.split("/"))
    assert own is not None
    alone = Catalogue([replace(own, weights=replace(own.weights, refiner=()))])
    with_one = CardPreparation(CATALOGUE, [SLUG], REAL, GATE).prepare(task(), "g1").request
    without = CardPreparation(alone, [SLUG], REAL, GATE).prepare(task(), "g1").request
    assert with_one.use_refiner
    assert (without.use_refiner, without.high_noise_frac) == (False, 1.0)


def test_a_picture_is_enlarged_smoothly_to_exactly_the_size(tmp_path):
    rgb = bytes(channel for x in range(16) for channel in (17 * x, 0, 255))
    sample = SampleDone("g1", 0, 16, 8, rgb * 8)
    (tmp_path / "plain.png").write_bytes(encode_sample(sample, []))
    (tmp_path / "large.png").write_bytes(encode_sample(sample, [], (200, 64)))

    with Image.open(tmp_path / "plain.png") as plain, Image.open(tmp_path / "large.png") as large:
        assert (plain.size, plain.tobytes()) == ((16, 8), rgb * 8)
        assert large.size == (200, 64)
        assert len({large.getpixel((x, 32)) for x in range(200)}) > 100, "not in steps"


# ── words ────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_words_it_has_never_seen_are_named_once_in_their_order():
    prompt = "<lora:Studio-Trigger:1.0>, studio style, a RED circle, cyberpunk fox on a cyberpunk blue background"
    it = prepared(miniature(), prompt=prompt, negativePrompt="blurry, red, fox")

    assert it.receipt["words"] == {
        "unknown": ["cyberpunk", "fox", "blurry"],
        "note": "The miniature has never seen: cyberpunk, fox, blurry.",
    }
    assert [lora.name for lora in it.request.loras] == ["Studio-Trigger"]
    assert list(it.remarks) == []


def test_known_words_need_no_mention():
    it = prepared(miniature(), prompt="<lora:Studio-Trigger:0.5>, studio style, a small pink heart, masterpiece")

    assert "words" not in it.receipt


def test_the_syntax_is_no_word():
    it = prepared(miniature(), prompt=r"a (red:1.3) [circle] BREAK \(small\), (re)d, (blu:1.0)(rry:1.0)")

    assert it.receipt["words"] == {"unknown": ["blurry"], "note": "The miniature has never seen: blurry."}


def test_a_flood_of_words_is_cut():
    it = prepared(miniature(), prompt=" ".join(f"w{number}" + "x" * 60 for number in range(150)))

    words = it.receipt["words"]
    assert isinstance(words, dict)
    assert isinstance(words["unknown"], list)
    assert len(words["unknown"]) == 50
    assert len(str(words["unknown"])) < 4000


# ── weights and LoRAs ────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_receipt_names_the_weights():
    assert prepared(miniature()).receipt["miniature"] is True
    assert "not installed" in notes_of(prepared(miniature()).receipt)[0]
    assert prepared(None).receipt["weights"] == {"name": "fake"}
    assert prepared(REAL).receipt["miniature"] is False
    assert prepared(REAL).receipt["weights"] == {"name": "sdxl-base", "refiner": "sdxl-refiner"}
    assert prepared(REAL, refiner="--only_base_model").receipt["weights"] == {"name": "sdxl-base", "refiner": None}


@pytest.mark.parametrize("weights", [REAL, None, miniature()], ids=["real", "fake", "miniature"])
def test_the_receipt_tells_the_steps_that_are_run(weights):
    it = prepared(weights, steps="60", stepsRefiner="20", samples="4", highNoiseFrac="0.8")
    subject = it.receipt["plan"]
    assert isinstance(subject, dict)
    assert {key: subject[key] for key in ("base", "refiner", "steps", "unetevaluations", "handover")} == {
        "base": 47,
        "refiner": 4,
        "steps": 204,
        "unetevaluations": 408,
        "handover": 200,
    }
    assert "starts at 151" in subject["note"]
    assert subject["note"] in notes_of(it.receipt)


def test_a_schedule_that_isnt_understood_is_drawn_without_a_plan(tmp_path):
    (tmp_path / "base" / "scheduler").mkdir(parents=True)
    (tmp_path / "base" / "scheduler" / "scheduler_config.json").write_text('{"trained_betas": [0.1]}')
    it = prepared(replace(REAL, base=tmp_path / "base"))
    assert "plan" not in it.receipt
    assert it.request.steps == 60


def test_loras_never_cross_over():
    prompt = "<lora:Studio-Trigger:1>, <lora:ink:1>, a red circle"
    for weights, used, left_out in ((miniature(), "Studio-Trigger", "ink"), (REAL, "ink", "Studio-Trigger")):
        it = prepared(weights, prompt=prompt)
        assert [lora.name for lora in it.request.loras] == [used]
        assert list(it.remarks) == [f"LoRA '{left_out}' is not installed here and was ignored."]


def test_the_weights_of_a_tag_reach_the_engine():
    it = prepared(REAL, prompt="<lora:ink:0.8:0.3>, a red circle")
    assert it.request.loras == (LoraUse(name="ink", path="/m/loras/ink", weight=0.8, text_encoder_weight=0.3),)

    alone = prepared(REAL, prompt="<lora:ink:0.8>, a red circle").request.loras
    assert [lora.text_encoder_weight for lora in alone] == [None]


# ── the prompt report ────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_receipt_says_how_the_prompt_is_read():
    prompt = (
        "<lora:Studio-Trigger:0.5:1>, <lora:ink>, <lora:bad:x>, a (red:1.3) circle, " + "red " * 80 + "BREAK [star]"
    )
    it = prepared(miniature(), prompt=prompt, negativePrompt="blue BREAK (green)")

    assert it.request.prompt.startswith("a (red:1.3) circle"), "the engine reads the syntax itself"
    assert it.receipt["prompt"] == {
        "prompt": {
            "weights": [{"text": "red", "weight": 1.3}, {"text": "star", "weight": 0.9091}],
            "breaks": 1,
            "tokens": [75, 9, 1],
            "leftOut": 0,
        },
        "negativePrompt": {
            "weights": [{"text": "green", "weight": 1.1}],
            "breaks": 1,
            "tokens": [1, 1],
            "leftOut": 0,
        },
        "loras": {
            "used": [{"name": "Studio-Trigger", "weight": 0.5, "textEncoderWeight": 1.0}],
            "unknown": ["ink"],
            "dropped": ["<lora:bad:x>"],
        },
        "chunks": 3,
    }


def test_nobody_counts_without_tokenizers():
    for weights in (None, REAL):
        it = prepared(weights, prompt="a (red:1.3) circle", negativePrompt="")
        report = it.receipt["prompt"]
        assert isinstance(report, dict)
        assert report["prompt"] == {"weights": [{"text": "red", "weight": 1.3}], "breaks": 0}
        assert report["negativePrompt"] == {"weights": [], "breaks": 0}
        assert set(report) == {"prompt", "negativePrompt", "loras"}


@pytest.mark.parametrize(("scale", "chunks"), [("1", 1), ("4", 2)])
def test_without_guidance_the_negative_prompt_takes_no_chunks(scale, chunks):
    report = prepared(miniature(), scale=scale, negativePrompt="blue BREAK green").receipt["prompt"]
    assert isinstance(report, dict)
    assert report["chunks"] == chunks


def test_a_report_is_never_long():
    prompt = "".join(f"<lora:n{number}{'x' * 99}:bad>" for number in range(30)) + "(x:1.2)(y:0.8) " * 400
    it = prepared(miniature(), prompt=prompt, negativePrompt="!BREAK" * 1600)
    report = it.receipt["prompt"]
    assert isinstance(report, dict)
    assert len(str(report)) < 10_000
    text = report["negativePrompt"]
    assert isinstance(text, dict)
    assert (text["breaks"], text["leftOut"]) == (1600, 1600 - 32)
