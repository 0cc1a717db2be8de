"""What pictures say of themselves: always that they are AI-made, and with what unless that is forbidden."""

import hashlib
import io
import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from PIL import Image

from models.weights import WeightSet
from pipelines.contract import EngineFacts, GenerationRequest, InputFile, LoraUse, SampleDone
from server.worker.labels import Labels
from server.worker.origin import TRAINED, XMP_KEY, software
from server.worker.picture_receipt import Drawing
from server.worker.pictures import encode_sample

SAMPLE = SampleDone("g", 1, 8, 8, bytes(range(192)))
EXT = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}"
XMP = "{http://ns.adobe.com/xap/1.0/}"
REQUEST = GenerationRequest(
    generation_id="g",
    prompt="a fox, (red:1.2)",
    negative_prompt="rain",
    width=8,
    height=8,
    samples=4,
    seed=9421808,
    steps=60,
    refiner_steps=20,
    guidance_scale=4.0,
    high_noise_frac=0.8,
    use_refiner=True,
    noise_scheduler="EulerAncestralDiscreteScheduler",
)
FACTS = EngineFacts(
    dtype="float16",
    versions={"torch": "2.13.0", "diffusers": "0.42.1"},
    noise_schedulers={"EulerAncestralDiscreteScheduler": {"class": "E", "steps_offset": 1}},
)
DRAWING = Drawing(
    model="easel/fox",
    values={"prompt": "<lora:Ink:0.5> a fox, (red:1.2)", "negativePrompt": "rain", "seed": 9421808, "samples": 4},
    request=REQUEST,
    device="a device",
    facts=FACTS,
    enlarged_to=None,
)


class PlainHashes:
    """Reads every file, every time."""

    def sha256(self, path: Path) -> str:
        return hashlib.sha256(path.read_bytes()).hexdigest()

    def stop(self) -> None:
        pass


def weights_in(folder: Path) -> WeightSet:
    for name in ("base/unet/a.safetensors", "base/vae/b.safetensors", "refiner/unet/c.safetensors", "Ink.safetensors"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return WeightSet(base=folder / "base", refiner=folder / "refiner", loras={})


def labelled(labels: Labels, drawing: Drawing = DRAWING) -> Image.Image:
    image = Image.open(io.BytesIO(encode_sample(SAMPLE, labels.chunks(drawing, SAMPLE.sample))))
    image.load()
    return image


@pytest.fixture
def full(tmp_path: Path) -> Labels:
    return Labels(weights_in(tmp_path), PlainHashes(), full=True)


@pytest.fixture
def drawing(tmp_path: Path) -> Drawing:
    ink = LoraUse(name="Ink", path=str(tmp_path / "Ink.safetensors"), weight=0.5)
    return replace(DRAWING, request=replace(REQUEST, loras=(ink,)))


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_the_xmp_packet_names_the_source_and_the_tool(full: Labels):
    picture = labelled(full)
    packet = ET.fromstring(picture.info["xmp"])
    [description] = packet.iter("{http://www.w3.org/1999/02/22-rdf-syntax-ns#}Description")

    assert description.attrib[f"{EXT}DigitalSourceType"] == TRAINED
    assert description.attrib[f"{XMP}CreatorTool"] == software() == picture.info["Software"]
    assert software().startswith("easel")


def test_nothing_but_the_origin_is_told_where_that_is_the_setting(tmp_path: Path):
    labels = Labels(weights_in(tmp_path), PlainHashes(), full=False)
    picture = labelled(labels)
    assert set(picture.info) == {"Software", "xmp", XMP_KEY}
    assert b"fox" not in encode_sample(SAMPLE, labels.chunks(DRAWING, 1))


def test_the_pixels_and_the_bytes_are_always_the_same(full: Labels):
    assert labelled(full).tobytes() == SAMPLE.rgb
    assert encode_sample(SAMPLE, full.chunks(DRAWING, 1)) == encode_sample(SAMPLE, full.chunks(DRAWING, 1))


def test_the_parameters_stand_there_as_the_web_ui_writes_them(full: Labels, drawing: Drawing):
    base, refiner, ink = (
        sha(name)[:10] for name in ("base/unet/a.safetensors", "refiner/unet/c.safetensors", "Ink.safetensors")
    )
    settings = (
        "Steps: 60, Sampler: Euler a, CFG scale: 4, Seed: 9421809, Size: 8x8, "
        f'Model hash: {base}, Model: base, Lora hashes: "Ink: {ink}", '
        f"Refiner: refiner [{refiner}], Refiner switch at: 0.8, Refiner steps: 20, Version: {software()}"
    )
    told = labelled(full, drawing).info["parameters"]
    assert told.split("\n") == ["<lora:Ink:0.5> a fox, (red:1.2)", "Negative prompt: rain", settings]


def test_without_a_refiner_and_a_negative_prompt_nothing_is_said_of_them(full: Labels):
    drawing = replace(
        DRAWING,
        values={"prompt": "a fox", "negativePrompt": ""},
        request=replace(REQUEST, use_refiner=False),
        enlarged_to=(512, 256),
    )
    first, second = labelled(full, drawing).info["parameters"].split("\n")
    assert first == "a fox"
    assert "Size: 512x256" in second
    assert "Refiner" not in second
    assert "Lora" not in second


@pytest.mark.parametrize("prompt", ["ein Füchschen", "狐 at dawn", "one\0two", "a\ud800b", 'say "hello", twice\nover'])
def test_any_prompt_can_be_written_and_read(full: Labels, prompt: str):
    picture = labelled(full, replace(DRAWING, values={"prompt": prompt}))
    written = prompt.replace("\0", "").replace("\ud800", "?")
    assert picture.info["parameters"].startswith(written + "\n")
    assert json.loads(picture.info["easel"])["values"]["prompt"].replace("\0", "") == written


def test_the_receipt_names_all_that_a_picture_depends_on(full: Labels, drawing: Drawing):
    receipt = json.loads(labelled(full, drawing).info["easel"])

    assert receipt["model"] == "easel/fox"
    assert receipt["values"] == DRAWING.values
    assert (receipt["sample"], receipt["seed"]) == (1, 9421809)
    assert receipt["weights"] == {
        "base": {
            "name": "base",
            "files": {
                "unet/a.safetensors": sha("base/unet/a.safetensors"),
                "vae/b.safetensors": sha("base/vae/b.safetensors"),
            },
        },
        "refiner": {"name": "refiner", "files": {"unet/c.safetensors": sha("refiner/unet/c.safetensors")}},
        "vae": None,
        "loras": [{"name": "Ink", "weight": 0.5, "sha256": sha("Ink.safetensors")}],
    }
    assert receipt["scheduler"] == {
        "name": "EulerAncestralDiscreteScheduler",
        "settings": {"class": "E", "steps_offset": 1},
    }
    assert (receipt["device"], receipt["dtype"]) == ("a device", "float16")
    assert receipt["versions"] | {"torch": "2.13.0", "diffusers": "0.42.1"} == receipt["versions"]
    assert {"easel", "python"} <= receipt["versions"].keys()


def test_the_receipt_names_no_file_of_a_client_and_no_path(full: Labels, drawing: Drawing, tmp_path: Path):
    secret = InputFile(parameter="inputImage", path=str(tmp_path / "secret"), content_type="image/png")
    drawing = replace(drawing, request=replace(drawing.request, inputs=(secret,)))
    text = labelled(full, drawing).info["easel"]
    assert json.loads(text)["inputs"] == ["inputImage"]
    assert str(tmp_path) not in text


def test_a_file_that_is_gone_is_unknown_and_costs_no_picture(full: Labels, tmp_path: Path):
    (tmp_path / "refiner/unet/c.safetensors").write_text("other")
    (tmp_path / "base/unet/a.safetensors").unlink()
    (tmp_path / "base/unet/a.safetensors").symlink_to(tmp_path / "nowhere")
    picture = labelled(full)
    assert json.loads(picture.info["easel"])["weights"]["base"]["files"]["unet/a.safetensors"] is None
    assert "Model: base" in picture.info["parameters"]
    assert "Model hash" not in picture.info["parameters"]


def test_single_files_and_another_vae_are_named(tmp_path: Path):
    weights_in(tmp_path)
    (tmp_path / "one.safetensors").write_text("one")
    (tmp_path / "base/vae/b.fp16.safetensors").write_text("half")
    weights = WeightSet(base=tmp_path / "one.safetensors", refiner=None, loras={}, vae=tmp_path / "base/vae")
    receipt = json.loads(labelled(Labels(weights, PlainHashes(), full=True)).info["easel"])
    assert receipt["weights"] == {
        "base": {"name": "one", "files": {"one.safetensors": sha("one")}},
        "refiner": None,
        "vae": {"name": "vae", "files": {"b.safetensors": sha("base/vae/b.safetensors")}},
        "loras": [],
    }


def test_an_engine_without_weights_has_none(tmp_path: Path):
    picture = labelled(Labels(None, PlainHashes(), full=True))
    assert json.loads(picture.info["easel"])["weights"] == {"base": None, "refiner": None, "vae": None, "loras": []}
    assert "Model" not in picture.info["parameters"]
