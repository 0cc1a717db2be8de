"""`easel models add | list | forget | check`, and drawing from what was adopted where it lies."""

import json
import shutil
from pathlib import Path

import pytest

from models.shipped import miniature_weights
from tests.checkpoints import BASE, SD_15, lora, write_tensors
from tests.e2e.commands import Easels, easel_fixture
from tests.original_layout import write_single_file

__all__ = ["easel_fixture"]

SHIPPED = miniature_weights()
BASE_NAME, REFINER_NAME = "stable-diffusion-xl-base-1.0", "stable-diffusion-xl-refiner-1.0"


@pytest.fixture
def comfy(tmp_path: Path) -> Path:
    """A ComfyUI-shaped folder with single-file checkpoints made from the miniature."""
    folder = tmp_path / "ComfyUI" / "models"
    write_single_file(SHIPPED.base, folder / "checkpoints" / "tiny.safetensors")
    write_single_file(SHIPPED.refiner, folder / "checkpoints" / "tiny_refiner.safetensors")
    (folder / "loras").mkdir()
    shutil.copy(SHIPPED.loras["Studio-Trigger"], folder / "loras")
    return folder


@pytest.mark.timeout(400)  # torch is loaded, twice over, on cores that others use too
def test_a_comfyui_folder_of_single_files_is_adopted_and_drawn_from(easel: Easels, comfy: Path):
    easel.patience = 170
    before = {path: path.stat().st_mtime_ns for path in comfy.rglob("*")}
    here = {"EASEL_MODELS_DIR": str(comfy.parent), "EASEL_MINIATURE": "0"}
    checkpoints = comfy / "checkpoints"
    config = ("--config", str(SHIPPED.base), "--name", BASE_NAME)
    printed = easel.ok("models", "add", str(checkpoints / "tiny.safetensors"), "--as", "base", *config)
    assert f"is an SDXL base checkpoint (9.1 MB): adopted as {BASE_NAME}." in printed
    assert "Cards that draw with it: hevok/studio-trigger, stabilityai/" in printed
    config = ("--config", str(SHIPPED.refiner), "--name", REFINER_NAME)
    easel.ok("models", "add", str(checkpoints / "tiny_refiner.safetensors"), *config)

    listed = easel.ok("models", "list", COLUMNS="300", **here)
    assert str(checkpoints / "tiny.safetensors") in listed
    assert "Studio-Trigger" in listed
    words = ("models", "check", "--json", "--size", "64", "--steps", "2")
    proof = json.loads(easel.ok(*words, EASEL_DEVICE="cpu", OMP_NUM_THREADS="1", **here))
    assert proof["weights"] == "tiny + tiny_refiner"
    assert proof["equal"], proof  # with diffusers' own reading of the same files
    assert proof["request"]["base"] == str(checkpoints / "tiny.safetensors")
    assert {path: path.stat().st_mtime_ns for path in comfy.rglob("*")} == before

    easel.ok("models", "forget", REFINER_NAME)
    assert f"{REFINER_NAME}/model_index.json is missing" in easel.refuses("worker", **here)
    assert "Nothing was adopted as" in easel.refuses("models", "forget", REFINER_NAME)


@pytest.mark.timeout(400)  # torch is loaded, twice over, on cores that others use too
def test_the_miniature_is_checked_against_diffusers(easel: Easels):
    easel.patience = 170
    printed = easel.ok("models", "check", "--size", "64", "--steps", "2", EASEL_DEVICE="cpu", OMP_NUM_THREADS="1")

    assert "miniature, 64 × 64, 2 steps, EulerDiscreteScheduler, float32 on CPU" in printed
    assert printed.rstrip().endswith("equal to the bit.")


def test_a_lora_is_adopted_under_a_name_for_prompts(easel: Easels, tmp_path: Path):
    file = write_tensors(tmp_path / "elsewhere" / "v3-final.safetensors", lora(2048))
    printed = easel.ok("models", "add", str(file), "--name", "Pen and Ink")
    assert "is a LoRA: rank 4, SDXL base, 1 layer (" in printed
    assert "A prompt asks for it with <lora:Pen and Ink:1>." in printed
    assert "Pen and Ink" in easel.ok("models", "list")
    file.unlink()
    assert "There is nothing at" in easel.ok("models", "list", COLUMNS="300")


def test_weights_that_no_card_names_say_how_to_use_them(easel: Easels, tmp_path: Path):
    file = write_tensors(tmp_path / "juggler.safetensors", BASE)
    printed = easel.ok("models", "add", str(file))

    assert "name it under [weights] base in a card of your own" in printed
    assert f"--name {BASE_NAME}" in printed


@pytest.mark.parametrize(
    ("name", "tensors", "words", "says"),
    [
        ("x.ckpt", None, (), "is a pickle, which can run programs when it is opened"),
        ("x.safetensors", SD_15, (), "is a checkpoint of SD 1.5, not of SDXL."),
        ("x.safetensors", lora(768), (), "is a LoRA for Stable Diffusion 1, not for SDXL's base."),
        ("x.safetensors", BASE, ("--as", "lora"), "is an SDXL base checkpoint, and not what --as lora asks for."),
        ("x.safetensors", BASE, ("--name", "../x"), "'../x' can't be a name"),
        ("x.safetensors", BASE, ("--config", "."), "is no folder in diffusers' layout"),
        (
            "x.safetensors",
            {**BASE, "model.diffusion_model.input_blocks.0.0.weight": (8, 4, 3, 3)},
            (),
            "with --config.",
        ),
        ("folder/x.txt", None, (), "is no .safetensors file"),
        ("folder", None, (), "There is nothing at"),
    ],
)
def test_what_cannot_be_adopted_is_one_sentence(easel: Easels, tmp_path: Path, name, tensors, words, says):
    path = tmp_path / name
    if tensors is not None:
        write_tensors(path, tensors)
    elif path.suffix:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"\x80\x02")

    assert says in easel.refuses("models", "add", str(path), *words)
    assert not (easel.data / "models" / "models.json").exists()


def test_a_registry_that_cannot_be_read_is_one_sentence(easel: Easels):
    (easel.data / "models").mkdir(parents=True)
    (easel.data / "models" / "models.json").write_text("{")

    for words in (("models", "list"), ("models", "verify"), ("models", "forget", "x"), ("models", "check")):
        assert "is no registry of models" in easel.refuses(*words)
