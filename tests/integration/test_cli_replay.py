"""`easel replay`: a picture drawn again from its own receipt, and one sentence where that can't be."""

import io
import json
from pathlib import Path

import pytest
from PIL import Image

from server.worker.png import encode_png, utf8_chunk
from tests.e2e.commands import Easels, easel_fixture, upgraded_fixture
from tests.serving import Easel, serving

__all__ = ["easel_fixture", "upgraded_fixture"]


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("live")) as opened:
        yield opened


@pytest.fixture(scope="module")
def drawn(live: Easel) -> bytes:
    """The second of two pictures."""
    task = live.finish(samples="2", seed="41", negativePrompt="rain")
    key = task["outputs"][1]["url"].split("/")[-2]
    file = live.tasks.find_file(key)
    assert file is not None
    return (live.settings.files_folder / file.key).read_bytes()


def receipt_of(png: bytes) -> dict:
    return json.loads(Image.open(io.BytesIO(png)).info["easel"])


def relabelled(png: bytes, receipt: dict, *, touched: bool = False) -> bytes:
    image = Image.open(io.BytesIO(png))
    if touched:
        red, green, blue = image.getpixel((0, 0))
        image.putpixel((0, 0), (red ^ 3, green, blue))
    return encode_png(*image.size, image.tobytes(), [utf8_chunk("easel", json.dumps(receipt))])


def replay(easel: Easels, live: Easel, folder: Path, png: bytes):
    (folder / "picture.png").write_bytes(png)
    account = {"EASEL_API_KEY": live.credentials.api_key, "EASEL_API_SECRET": live.credentials.api_secret or ""}
    words = ["replay", str(folder / "picture.png"), "--url", live.url, "--out", str(folder / "again")]
    return easel(*words, **account)


def refusal(easel: Easels, live: Easel, folder: Path, png: bytes) -> str:
    done = replay(easel, live, folder, png)
    assert done.returncode == 1, done.stdout
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_one_sample_of_a_task_is_drawn_again_pixel_by_pixel(easel: Easels, live: Easel, drawn: bytes, tmp_path: Path):
    receipt = receipt_of(drawn)
    assert (receipt["seed"], receipt["sample"], receipt["values"]["samples"]) == (42, 1, 2)

    done = replay(easel, live, tmp_path, drawn)

    assert done.returncode == 0, done.stderr
    assert "identical: all 64 × 64 pixels" in done.stdout
    assert "every fact of the receipts is the same" in done.stdout
    [again] = (tmp_path / "again").iterdir()
    assert str(again) in done.stdout
    assert Image.open(again).tobytes() == Image.open(io.BytesIO(drawn)).tobytes()


def test_other_pixels_and_other_facts_are_told(easel: Easels, live: Easel, drawn: bytes, tmp_path: Path):
    receipt = receipt_of(drawn)
    receipt["versions"]["torch"] = "1.0"
    receipt["weights"]["base"] = {"name": "other", "files": {"unet/a.safetensors": "abc"}}

    done = replay(easel, live, tmp_path, relabelled(drawn, receipt, touched=True))

    assert done.returncode == 1
    assert "different: 0.0% of the pixels, by 3 of 255 at most, 0.000 on average" in done.stdout
    assert 'versions.torch: "1.0" then, absent now' in done.stdout
    assert 'weights.base.files.unet/a.safetensors: "abc" then, absent now' in done.stdout
    assert "values" not in done.stdout.partition("different")[2]


def test_a_picture_without_a_receipt(easel: Easels, live: Easel, drawn: bytes, tmp_path: Path):
    bare = io.BytesIO()
    Image.open(io.BytesIO(drawn)).convert("RGB").save(bare, "PNG")
    assert "carries no receipt of easel" in refusal(easel, live, tmp_path, bare.getvalue())
    assert "can't be read as a PNG picture" in refusal(easel, live, tmp_path, b"GIF89a")
    assert "There is no" in easel.refuses("replay", str(tmp_path / "nothing.png"), EASEL_API_KEY="k")


def test_a_model_that_is_not_there(easel: Easels, live: Easel, drawn: bytes, tmp_path: Path):
    png = relabelled(drawn, receipt_of(drawn) | {"model": "easel/nowhere"})
    assert "The server has no model easel/nowhere: add its card" in refusal(easel, live, tmp_path, png)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"format": 99}, "is of another release"),
        ({"inputs": ["inputImage"]}, "was drawn from files of a client (inputImage)"),
        ({"seed": "1"}, "is damaged"),
        ({"model": "../.."}, None),
        ({"values": []}, "is damaged"),
        ({"model": None}, "is damaged"),
    ],
)
def test_receipts_that_cannot_be_replayed(easel: Easels, live: Easel, drawn: bytes, tmp_path: Path, change, sentence):
    said = refusal(easel, live, tmp_path, relabelled(drawn, receipt_of(drawn) | change))
    assert sentence is None or sentence in said


def test_a_server_that_writes_no_receipts(easel: Easels, drawn: bytes, tmp_path: Path):
    with serving(tmp_path / "other", png_metadata="origin") as other:
        done = replay(easel, other, tmp_path, drawn)
    assert done.returncode == 0
    assert "identical" in done.stdout
    assert "writes no receipts" in done.stdout
