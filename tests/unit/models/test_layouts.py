"""Folders as other programs keep them, the registry, and which of all that draws a card."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from models.card import WeightNames
from models.layouts import loras_of, scan, weights_name
from models.recognise import Role
from models.registry import Adopted, RegistryError, check_name, read_registry, write_registry
from models.weights import Missing, WeightSet, find_weights, standard_config
from tests.checkpoints import BASE as BASE_TENSORS
from tests.checkpoints import REFINER as REFINER_TENSORS
from tests.checkpoints import SD_15, VAE, lora, write_tensors
from tests.weights import BASE, BASE_FILES, REFINER, REFINER_FILES, put, put_lora


def found(card, *folders: Path) -> WeightSet:
    weights = find_weights(card, folders)
    assert isinstance(weights, WeightSet), weights
    return weights


def missing(card, *folders: Path) -> str:
    weights = find_weights(card, folders)
    assert isinstance(weights, Missing)
    assert weights.partly
    return weights.sentence


def register(folder: Path, **models: Adopted) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "models.json").write_text(
        write_registry({name.replace("__", "-"): each for name, each in models.items()})
    )


def comfy(folder: Path) -> Path:
    write_tensors(folder / "checkpoints" / "sd_xl_base_1.0.safetensors", BASE_TENSORS)
    write_tensors(folder / "checkpoints" / "sdxl" / "sd_xl_refiner_1.0.safetensors", REFINER_TENSORS)
    write_tensors(folder / "loras" / "styles" / "ink.safetensors", lora(2048))
    write_tensors(folder / "vae" / "sdxl_vae_fp16_fix.safetensors", VAE)
    return folder


# ── layouts ──────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("root", ["", "models"])
def test_comfyuis_folders_draw_the_packaged_cards(card, tmp_path, root):
    place = comfy(tmp_path / root)

    assert found(card, tmp_path) == WeightSet(
        base=place / "checkpoints/sd_xl_base_1.0.safetensors",
        refiner=place / "checkpoints/sdxl/sd_xl_refiner_1.0.safetensors",
        loras={"ink": place / "loras/styles/ink.safetensors"},
        base_config=standard_config(refiner=False),
        refiner_config=standard_config(refiner=True),
        vae=place / "vae/sdxl_vae_fp16_fix.safetensors",
    )


@pytest.mark.parametrize("root", ["", "models"])
def test_a1111s_folders_do_too(card, tmp_path, root):
    place = tmp_path / root
    base = write_tensors(place / "Stable-diffusion" / "SD_XL_Base_1.0.safetensors", BASE_TENSORS)
    refiner = write_tensors(place / "Stable-diffusion" / "sd_xl_refiner_1.0.safetensors", REFINER_TENSORS)
    ink = write_tensors(place / "Lora" / "ink.safetensors", lora(2048))
    vae = write_tensors(place / "VAE" / "sdxl_vae_fp16_fix.safetensors", VAE)

    weights = found(card, tmp_path)
    assert (weights.base, weights.refiner, weights.loras, weights.vae) == (base, refiner, {"ink": ink}, vae)
    assert (weights.base_folder / "tokenizer" / "vocab.json").is_file()
    assert (weights.refiner_folder / "scheduler" / "scheduler_config.json").is_file()


@pytest.mark.parametrize("hub", ["", "hub"])
def test_the_hugging_face_cache_does_too(card, tmp_path, hub):
    for name, files in ((BASE, BASE_FILES), (REFINER, REFINER_FILES)):
        repository = tmp_path / hub / f"models--stabilityai--{name}"
        put(repository / "snapshots" / "0a", ["model_index.json"])
        snapshot = put(repository / "snapshots" / "1f", files)
        (repository / "refs").mkdir()
        (repository / "refs" / "main").write_text("1f")
        unet = snapshot / "unet" / "diffusion_pytorch_model.fp16.safetensors"
        (repository / "blobs").mkdir()
        unet.rename(repository / "blobs" / "abc")
        unet.symlink_to("../../../blobs/abc")
    weights = found(card, tmp_path)

    assert weights.base == tmp_path / hub / f"models--stabilityai--{BASE}" / "snapshots" / "1f"
    assert weights.refiner == tmp_path / hub / f"models--stabilityai--{REFINER}" / "snapshots" / "1f"
    assert weights_name(weights.base) == BASE


def test_a_folder_of_models_may_be_the_model_itself(card, tmp_path):
    base = put(tmp_path / BASE, BASE_FILES)

    assert found(replace(card, weights=WeightNames(base=(BASE,))), base).base == base


def test_loras_of_all_folders_are_offered_and_the_first_of_a_name_counts(card, tmp_path):
    comfy(tmp_path / "comfy")
    first = put_lora(tmp_path / "own" / "loras", "ink.safetensors")
    other = put_lora(tmp_path / "a1111" / "models" / "Lora", "charcoal.safetensors")

    loras = loras_of(scan([tmp_path / "own", tmp_path / "comfy", tmp_path / "a1111"]))
    assert loras == {"charcoal": other, "ink": first}
    assert found(card, tmp_path / "own", tmp_path / "comfy", tmp_path / "a1111").loras["charcoal"] == other


def test_links_out_of_a_folder_are_not_followed(tmp_path):
    secret = write_tensors(tmp_path / "secret" / "sd_xl_base_1.0.safetensors", BASE_TENSORS)
    for place in ("checkpoints", "loras", "vae"):
        (tmp_path / "models" / place).mkdir(parents=True)
        (tmp_path / "models" / place / secret.name).symlink_to(secret)
        (tmp_path / "models" / place / "elsewhere").symlink_to(secret.parent)

    assert scan([tmp_path / "models"]) == ()


def test_a_whole_folder_and_a_single_file_can_be_base_and_refiner(card, tmp_path):
    base = put(tmp_path / "one" / BASE, BASE_FILES)
    refiner = write_tensors(tmp_path / "two" / "checkpoints" / "sd_xl_refiner_1.0.safetensors", REFINER_TENSORS)
    weights = found(card, tmp_path / "one", tmp_path / "two")

    assert (weights.base, weights.refiner) == (base, refiner)


@pytest.mark.parametrize(
    ("tensors", "says"),
    [
        (SD_15, "is a checkpoint of SD 1.5, not of SDXL."),
        (REFINER_TENSORS, "is an SDXL refiner checkpoint, where the base is wanted"),
        (BASE_TENSORS | {"model.diffusion_model.input_blocks.0.0.weight": (8, 4, 3, 3)}, "hasn't SDXL's sizes"),
    ],
)
def test_a_checkpoint_of_that_name_that_is_none_is_named(card, tmp_path, tensors, says):
    comfy(tmp_path)
    write_tensors(tmp_path / "checkpoints" / "sd_xl_base_1.0.safetensors", tensors)

    assert says in missing(card, tmp_path)


def test_a_damaged_checkpoint_or_vae_is_named(card, tmp_path):
    comfy(tmp_path)
    vae = tmp_path / "vae" / "sdxl_vae_fp16_fix.safetensors"
    vae.write_bytes(vae.read_bytes()[:-5])
    assert f"{vae} can't be used: it is cut short" in missing(card, tmp_path)
    base = tmp_path / "checkpoints" / "sd_xl_base_1.0.safetensors"
    base.write_bytes(base.read_bytes()[:-5])
    assert f"{base} can't be used: it is cut short" in missing(card, tmp_path)


def test_a_missing_refiner_is_named_with_the_command_that_brings_it(card, tmp_path):
    comfy(tmp_path)
    (tmp_path / "checkpoints" / "sdxl" / "sd_xl_refiner_1.0.safetensors").unlink()

    assert f"`easel models pull stabilityai/{REFINER} --as refiner` brings it" in missing(card, tmp_path)


# ── the registry ─────────────────────────────────────────────────────────────────────────────────────────────────────
def test_adopted_weights_are_used_where_they_lie(card, tmp_path):
    base = write_tensors(tmp_path / "x" / "a.safetensors", BASE_TENSORS)
    refiner = put(tmp_path / "x" / "b", REFINER_FILES)
    ink = write_tensors(tmp_path / "y" / "c.safetensors", lora(2048))
    register(
        tmp_path / "data",
        **{
            BASE: Adopted(role=Role.BASE, path=base, config=tmp_path / "config"),
            REFINER: Adopted(role=Role.REFINER, path=refiner),
            "ink": Adopted(role=Role.LORA, path=ink),
        },
    )

    assert found(card, tmp_path / "data") == WeightSet(
        base=base, refiner=refiner, loras={"ink": ink}, base_config=tmp_path / "config"
    )


def test_a_base_adopted_as_refiner_is_not_the_base(card, tmp_path):
    base = write_tensors(tmp_path / "a.safetensors", BASE_TENSORS)
    register(tmp_path / "data", **{BASE: Adopted(role=Role.REFINER, path=base)})

    assert isinstance(find_weights(card, [tmp_path / "data"]), Missing)


def test_adopted_weights_that_are_gone_are_named(card, tmp_path):
    register(tmp_path, **{BASE: Adopted(role=Role.BASE, path=tmp_path / "gone.safetensors")})

    assert f"gone.safetensors, adopted as {BASE}, is gone" in missing(card, tmp_path)


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"version": 2, "models": {}}', '{"version": 1, "models": {"a/b": {"as": "base", "path": "/x"}}}',
     '{"version": 1, "models": {"a": {"as": "king", "path": "/x"}}}',
     '{"version": 1, "models": {"a": {"as": "base"}}}'],
)  # fmt: skip
def test_a_registry_that_cannot_be_read_stops_everything(card, tmp_path, text):
    (tmp_path / "models.json").write_text(text)

    assert "is no registry of models" in missing(card, tmp_path)


def test_what_is_written_is_read(tmp_path):
    adopted = {
        "b": Adopted(role=Role.VAE, path=Path("/x")),
        "a": Adopted(role=Role.BASE, path=Path("/y"), config=Path("/z")),
    }
    (tmp_path / "models.json").write_text(write_registry(adopted))

    assert read_registry(tmp_path) == adopted
    assert list(json.loads(write_registry(adopted))["models"]) == ["a", "b"]


@pytest.mark.parametrize("name", ["", " a", "a.", "..", "a/b", "a\\b", "a:1", "<a>", "a\nb", "x" * 200])
def test_names_that_could_be_paths_or_break_a_tag(name):
    with pytest.raises(RegistryError, match="can't be a name"):
        check_name(name)
