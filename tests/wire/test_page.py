"""The model page's request, as people paste it, and the page's browser snippet."""

import io
import json

import pytest
from PIL import Image

from tests.wire.porch import RUN

# The top of the wire contract.
PASTED = """
    {"prompt": "<lora:Studio-Trigger:1.0>, masterpiece, dynamic lighting, (dark fantasy), close up, a woman at the edge of a lake, whispering …",
     "negativePrompt": "score_4, unfinished, sketch, blurry, low quality, (watermark, signature, artist name), lettering, …",
     "samples": "4", "steps": "60", "scale": "4", "highNoiseFrac": "0.8", "stepsRefiner": "20", "seed": "9421808",
     "width": "1024", "height": "1024", "refiner": "/* refiner value */", "scheduler": "EulerDiscreteScheduler",
     "callbackUrl": "Optional: Webhook URL for task completion notifications"}
"""  # noqa: E501


@pytest.fixture(scope="module")
def page(easel):
    """What the shell snippet gets from Run: it exports a nonce, signs with openssl and posts by curl."""
    headers = easel.headers
    headers["Content-Type"] = "application/json"
    headers["x-signature"] = f"SHA2-256(stdin)= {headers['x-signature']}"  # all that openssl prints
    answer = easel.post(RUN, content=PASTED.encode(), headers=headers)
    assert answer.status_code == 200
    return answer.json()


@pytest.fixture(scope="module")
def snippet(easel, page):
    """What the browser snippet does: switch on `type`, and at the end show what `message` holds."""
    seen, shown = [], []
    with easel.socket() as connection:
        connection.send(f'{{"type": "task_info", "tasktoken": "{page["socketaccesstoken"]}"}}')
        while not shown:
            message = json.loads(connection.recv(60))
            match message["type"]:
                case "task_postprocess_end":
                    shown = [file["url"] for file in message["message"]]
                    assert shown
                case other:
                    seen.append(other)
    return seen, shown


def test_the_pasted_request_runs_to_four_pictures(easel, page, snippet):
    task = easel.detail(page["socketaccesstoken"])

    assert (task["status"], task["pexit"]) == ("task_postprocess_end", "0")
    assert [output["name"] for output in task["outputs"]] == ["0.png", "1.png", "2.png", "3.png"]
    assert task["parameters"] == json.loads(PASTED)
    assert task["callbackurl"] == ""


def test_the_snippet_shows_four_different_pictures(easel, snippet):
    pictures = [easel.get(url) for url in snippet[1]]

    assert len({picture.content for picture in pictures}) == 4
    for picture in pictures:
        assert picture.headers["content-type"] == "image/png"
        assert Image.open(io.BytesIO(picture.content)).size == (1024, 1024)


def test_the_snippet_sees_the_task_live(snippet):
    seen, _ = snippet

    assert seen[:2] == ["connected", "task_queue"]
    assert "task_output" in seen
    assert seen[-2:] == ["task_end", "task_postprocess_start"]
