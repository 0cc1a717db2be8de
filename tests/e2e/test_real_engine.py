"""From a signed Run to pictures of the real engine, on random weights in the place of real ones: every room at once."""

import io
import json
from pathlib import Path

import httpx2
import pytest
from PIL import Image

from tests.sdxl import miniature_fixture  # noqa: F401 - a fixture
from tests.serving import Easel, serving
from tests.weights import BASE, REFINER
from tools.miniature.layout import LORA_NAME

PASTED = {
    "prompt": "<lora:Studio-Trigger:1.0>, masterpiece, dynamic lighting, (dark fantasy), close up, a woman at a lake",
    "negativePrompt": "score_4, unfinished, sketch, blurry, low quality, (watermark, signature), lettering",
    "samples": "4",
    "steps": "60",
    "scale": "4",
    "highNoiseFrac": "0.8",
    "stepsRefiner": "20",
    "seed": "9421808",
    "width": "1024",
    "height": "1024",
    "refiner": "/* refiner value */",
    "scheduler": "EulerDiscreteScheduler",
    "callbackUrl": "Optional: Webhook URL for task completion notifications",
}
SMALL = {"width": "128", "height": "96", "steps": "10", "stepsRefiner": "10", "seed": "7", "scale": "4"}


@pytest.fixture(scope="module")
def easel(miniature, tmp_path_factory):
    weights = tmp_path_factory.mktemp("weights")
    for name, part in ((BASE, miniature.base), (REFINER, miniature.refiner), ("loras", miniature.lora.parent)):
        (weights / name).symlink_to(part)
    with serving(tmp_path_factory.mktemp("easel"), engine="sdxl", device="cpu", models_dir=str(weights)) as served:
        served.wait_until_drawing_is_possible()
        yield served


def pictures(task: dict) -> list[Image.Image]:
    """Fetch a task's pictures as a client would."""
    return [Image.open(io.BytesIO(httpx2.get(file["url"], trust_env=False).content)) for file in task["outputs"]]


def pixels(easel: Easel, **parameters: str) -> list[bytes]:
    task = easel.finish(**{**SMALL, **parameters})
    assert (task["status"], task["pexit"]) == ("task_postprocess_end", "0"), task["debugerror"]
    return [picture.tobytes() for picture in pictures(task)]


def test_a_run_with_lora_and_refiner_becomes_pictures(easel):
    token = easel.run(**{**SMALL, "prompt": f"<lora:{LORA_NAME}:1.0>, a red circle", "samples": "2"})[
        "socketaccesstoken"
    ]
    frames = easel.follow(token)
    task = easel.detail(token)

    assert [(picture.format, picture.size) for picture in pictures(task)] == [("PNG", (128, 96))] * 2
    steps = [frame["message"] for frame in frames if frame["type"] == "task_output"]
    assert steps[-1]["stepTotal"] == "20"  # 8 in the base, 2 in the refiner, of each of two samples
    assert [frame["message"] for frame in frames if frame["type"] == "task_error"] == []
    assert {name: task["receipt"][name] for name in ("miniature", "weights", "plan")} == {
        "miniature": False,
        "weights": {"name": BASE, "refiner": REFINER},
        "plan": {"base": 8, "refiner": 2, "steps": 20, "unetevaluations": 40, "handover": 200},
    }


def test_sample_i_is_the_picture_of_seed_plus_i(easel):
    assert pixels(easel, samples="3") == [pixels(easel, seed=str(7 + i))[0] for i in range(3)]


def test_what_is_asked_for_shows_in_the_picture(easel):
    plain = pixels(easel)
    changes = {
        "prompt": {"prompt": "something else altogether"},
        "negativePrompt": {"negativePrompt": "red"},
        "scale": {"scale": "7"},
        "refiner": {"refiner": "--only_base_model"},
        "lora": {"prompt": f"<lora:{LORA_NAME}:1>, a small red circle on a blue background"},
        "scheduler": {"scheduler": "DDIMScheduler"},
    }

    assert {name: pixels(easel, **change) == plain for name, change in changes.items()} == dict.fromkeys(changes, False)
    assert pixels(easel) == plain
    assert pixels(easel, prompt=f"<lora:{LORA_NAME}:0>, a small red circle on a blue background") == plain


def test_a_lora_that_is_not_there_is_ignored_and_named(easel):
    token = easel.run(**{**SMALL, "prompt": "<lora:../../etc/passwd:1>, a red circle"})["socketaccesstoken"]
    remarks = [frame["message"] for frame in easel.follow(token) if frame["type"] == "task_error"]

    assert remarks == ["LoRA '../../etc/passwd' is not installed here and was ignored."]
    assert easel.detail(token)["pexit"] == "0"


def test_a_kill_in_mid_drawing_frees_the_engine(easel):
    long = easel.run(**{**SMALL, "steps": "150", "stepsRefiner": "150", "samples": "8"})
    easel.follow(long["socketaccesstoken"], until="task_output")
    assert easel.post("Task/Kill", {"taskid": long["taskid"]}).json()["result"] is True

    assert len(pixels(easel)) == 1


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_request_of_the_model_page_runs_as_pasted(easel, tmp_path: Path):
    answer = easel.post("Run/hevok/studio-trigger", content=json.dumps(PASTED).encode())
    with easel.socket() as socket:
        socket.send(json.dumps({"type": "task_info", "tasktoken": answer.json()["socketaccesstoken"]}))
        frame = {"terminal": False}
        while not frame["terminal"]:
            frame = json.loads(socket.recv(300))

    assert frame["type"] == "task_postprocess_end"
    assert [file["name"] for file in frame["message"]] == ["0.png", "1.png", "2.png", "3.png"]
    task = easel.detail(answer.json()["socketaccesstoken"])
    assert [picture.size for picture in pictures(task)] == [(1024, 1024)] * 4
