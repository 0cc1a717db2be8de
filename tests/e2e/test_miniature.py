"""A whole easel that draws with the miniature it ships with. What its pictures show is for other tests."""

import io
import json

import httpx2
import pytest
from PIL import Image

from server.entrypoints.drawings import served_catalogue
from tests.e2e.processes import open_site
from tests.e2e.test_real_engine import PASTED, pictures
from tests.serving import serving


@pytest.fixture(scope="module")
def easel(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("easel"), engine="sdxl", device="cpu", miniature=True) as served:
        served.wait_until_drawing_is_possible()
        yield served


def test_a_run_without_a_size_is_quick_and_says_what_drew_it(easel):
    answer = easel.post("Run/hevok/studio-trigger", {"prompt": "a red circle, cyberpunk", "seed": "1"}).json()
    frames = easel.follow(answer["socketaccesstoken"])
    task = easel.detail(answer["socketaccesstoken"])

    assert task["pexit"] == "0", task["debugerror"]
    assert [picture.size for picture in pictures(task)] == [(512, 512)]
    assert [frame["message"]["stepTotal"] for frame in frames if frame["type"] == "task_output"][-1] == "20"
    receipt = task["receipt"]
    assert receipt["miniature"] is True
    assert receipt["size"]["drawn"] == {"width": 128, "height": 128}
    assert receipt["size"]["delivered"] == {"width": 512, "height": 512}
    assert receipt["words"]["unknown"] == ["cyberpunk"]
    assert list(receipt["phases"]) == ["encode", "base", "refiner", "decode"]
    assert 0 < sum(receipt["phases"].values()) <= float(task["elapsedseconds"]) + 1
    assert task["debugoutput"] == task["debugerror"] == ""
    assert [frame["message"] for frame in frames if frame["type"] == "task_error"] == []
    (log,) = [frame["message"]["raw"] for frame in frames if frame["type"] == "task_output_full"]
    for subject in ("weights", "size", "words"):
        assert receipt[subject]["note"] in log


def test_detail_tells_how_the_prompt_was_read(easel):
    tags, filler = "<lora:Studio-Trigger:0.5:0.2>, <lora:ink>", "masterpiece, " * 40
    prompt = f"{tags}, {filler}a (red:1.3) circle BREAK on a [blue] background"
    task = easel.finish(prompt=prompt, negativePrompt="(green)", steps="2", refiner="--only_base_model")

    report = task["receipt"]["prompt"]
    assert report["prompt"]["tokens"] == [74, 9, 4]
    assert report["prompt"]["weights"] == [{"text": "red", "weight": 1.3}, {"text": "blue", "weight": 0.9091}]
    assert (report["prompt"]["breaks"], report["negativePrompt"]["tokens"], report["chunks"]) == (1, [1], 3)
    assert report["loras"] == {
        "used": [{"name": "Studio-Trigger", "weight": 0.5, "textEncoderWeight": 0.2}],
        "unknown": ["ink"],
        "dropped": [],
    }


def test_a_plan_sees_the_weights_and_is_what_is_drawn(easel):
    prompt = "<lora:studio-trigger:0.5> <lora:ink:1> a red circle " + "on a blue background " * 30
    asked = {"prompt": prompt, "width": "256", "height": "256", "steps": "6", "stepsRefiner": "5", "samples": "1"}
    plan = easel.post("Plan/hevok/studio-trigger", {**asked, "seed": "1"}).json()["plan"]

    assert (plan["drawn"], plan["delivered"]) == ({"width": 128, "height": 128}, {"width": 256, "height": 256})
    assert [(it["name"], it["status"]) for it in plan["loras"]] == [("Studio-Trigger", "installed"), ("ink", "unknown")]
    assert plan["prompt"]["chunks"] == 2
    memory = plan["estimatedmemory"]
    assert (memory["dtype"], memory["resident"]) == ("float32", memory["weights"] + memory["drawing"]), "on a CPU"
    task = easel.finish(**asked)
    assert task["receipt"]["plan"]["steps"] == plan["steps"]
    assert task["receipt"]["prompt"]["prompt"] == plan["prompt"]["prompt"]


def test_what_is_asked_for_explicitly_is_kept(easel):
    asked = {"width": "200", "height": "96", "steps": "12", "stepsRefiner": "5", "refiner": "--only_base_model"}
    task = easel.finish(**asked)

    assert [picture.size for picture in pictures(task)] == [(200, 96)]
    assert task["receipt"]["size"]["drawn"] == {"width": 184, "height": 88}
    assert {name: task["parameters"][name] for name in asked} == asked


def test_both_cards_are_drawn_and_a_small_picture_is_not_enlarged(easel):
    for model in ("hevok/studio-trigger", "stabilityai/stable-diffusion-xl-base-1.0"):
        task = easel.finish(steps="5") if model.startswith("hevok") else None
        if task is None:
            token = easel.run(model, steps="5")["socketaccesstoken"]
            easel.follow(token)
            task = easel.detail(token)
        assert [picture.size for picture in pictures(task)] == [(64, 64)]
        assert task["receipt"]["miniature"] is True
        assert "size" not in task["receipt"]


def pixels(png: bytes) -> bytes:
    with Image.open(io.BytesIO(png)) as picture:
        return picture.tobytes()


def test_the_same_seed_gives_the_same_bytes_and_its_lora_another_picture(easel):
    def drawn(prompt: str) -> bytes:
        task = easel.finish(prompt=prompt, width="128", height="128", steps="6")
        return httpx2.get(task["outputs"][0]["url"], trust_env=False).content

    plain = drawn("a red circle on a blue background")
    assert drawn("a red circle on a blue background") == plain
    unworn = drawn("<lora:Studio-Trigger:0>, a red circle on a blue background")
    assert unworn != plain, "its receipt names the LoRA"
    assert pixels(unworn) == pixels(plain)
    assert pixels(drawn("<lora:Studio-Trigger:1>, a red circle on a blue background")) != pixels(plain)


def test_up_draws_with_it_by_itself_and_says_so(tmp_path):
    none = tmp_path / "none"
    with open_site(tmp_path, EASEL_ENGINE="sdxl", EASEL_DEVICE="cpu", EASEL_MODELS_DIR=str(none)) as site:
        up = site.start("up")
        up.wait_for("engine ready", within=120)
        assert up.said.count("Drawing with the miniature") == 1
        assert str(none) in up.said.replace("\n", "")
        task = site.client().finish(prompt="a red circle", width="256", height="128", steps="4")
        assert task["receipt"]["miniature"] is True
        with Image.open(io.BytesIO(httpx2.get(task["outputs"][0]["url"], trust_env=False).content)) as picture:
            assert picture.size == (256, 128)
        assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["files"], "it writes no weights"


def test_the_api_of_up_and_the_worker_agree(easel):
    card = served_catalogue(easel.settings, miniature=False).find("hevok", "studio-trigger")
    assert card is not None
    assert card.parameter("width").default == 512


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_request_of_the_model_page_runs_as_pasted(easel):
    answer = easel.post("Run/hevok/studio-trigger", content=json.dumps(PASTED).encode()).json()
    easel.follow(answer["socketaccesstoken"], timeout=200)
    task = easel.detail(answer["socketaccesstoken"])

    assert [picture.size for picture in pictures(task)] == [(1024, 1024)] * 4
    assert [picture.format for picture in pictures(task)] == ["PNG"] * 4
    assert task["receipt"]["size"]["drawn"] == {"width": 128, "height": 128}
    assert {"woman", "lake"} <= set(task["receipt"]["words"]["unknown"])
