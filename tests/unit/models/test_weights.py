"""Where weights are found, and that a LoRA's name is never a path."""

from pathlib import Path

import pytest

from models.weights import Missing, WeightSet, find_weights

BASE, REFINER = "stable-diffusion-xl-base-1.0", "stable-diffusion-xl-refiner-1.0"


def put_weights(folder: Path) -> Path:
    (folder / "unet").mkdir(parents=True)
    (folder / "model_index.json").touch()
    (folder / "unet" / "diffusion_pytorch_model.fp16.safetensors").touch()
    return folder


def put_lora(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).touch()
    return folder / name


def found(card, *folders: Path) -> WeightSet:
    weights = find_weights(card, folders)
    assert isinstance(weights, WeightSet)
    return weights


def test_full_size_weights_come_before_the_miniature(card, tmp_path):
    put_weights(tmp_path / "one/miniature/base")
    base = put_weights(tmp_path / "two" / BASE)
    refiner = put_weights(tmp_path / "two" / REFINER)

    weights = found(card, tmp_path / "one", tmp_path / "two")

    assert (weights.base, weights.refiner, weights.miniature) == (base, refiner, False)


def test_the_miniature_has_its_own_refiner_and_loras(card, tmp_path):
    base = put_weights(tmp_path / "miniature/base")
    refiner = put_weights(tmp_path / "miniature/refiner")
    put_weights(tmp_path / REFINER)
    lora = put_lora(tmp_path / "miniature/loras", "ink.safetensors")
    put_lora(tmp_path / "loras", "other.safetensors")

    weights = found(card, tmp_path)

    assert (weights.base, weights.refiner, weights.miniature) == (base, refiner, True)
    assert weights.loras == {"ink": lora}


def test_a_base_never_takes_another_familys_refiner(card, tmp_path):
    put_weights(tmp_path / BASE)
    put_weights(tmp_path / "miniature/refiner")

    assert found(card, tmp_path).refiner is None


def test_the_refiner_may_lie_in_another_folder_but_the_nearest_is_taken(card, tmp_path):
    far = put_weights(tmp_path / "one" / REFINER)
    put_weights(tmp_path / "two" / BASE)
    folders = (tmp_path / "one", tmp_path / "two")
    assert found(card, *folders).refiner == far

    near = put_weights(tmp_path / "two" / REFINER)
    assert found(card, *folders).refiner == near


@pytest.mark.parametrize("gone", ["model_index.json", "unet/diffusion_pytorch_model.fp16.safetensors"])
def test_an_incomplete_folder_is_no_hit(card, tmp_path, gone):
    (put_weights(tmp_path / BASE) / gone).unlink()

    assert isinstance(find_weights(card, [tmp_path]), Missing)


def test_what_is_missing_is_said_in_one_sentence(card, tmp_path):
    missing = find_weights(card, [tmp_path, tmp_path / "nowhere"])

    assert missing == Missing(
        "No weights for hevok/studio-trigger: looked for stable-diffusion-xl-base-1.0 or miniature/base "
        f"(a folder with model_index.json and unet/*.safetensors) in {tmp_path}, {tmp_path}/nowhere; "
        "name the folder that holds them in EASEL_MODELS_DIR, "
        "or run `easel models miniature` to write a small test model."
    )


def test_without_folders_nothing_is_found(card):
    missing = find_weights(card, [])

    assert isinstance(missing, Missing)
    assert "in no folder at all" in missing.sentence


def test_a_lora_is_found_by_name_exactly_first_then_in_any_case(card, tmp_path):
    put_weights(tmp_path / BASE)
    upper = put_lora(tmp_path / "loras", "Ink.safetensors")
    lower = put_lora(tmp_path / "loras", "ink.safetensors")
    other = put_lora(tmp_path / "loras", "Studio-Trigger.safetensors")

    weights = found(card, tmp_path)

    assert weights.lora_for("Ink") == upper
    assert weights.lora_for("ink") == lower
    assert weights.lora_for("studio-trigger") == other


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../secret", "loras/ink", "ink.safetensors", "%2e%2e/secret", "ink\0", "/etc/passwd", "іnk"]
)
def test_a_loras_name_is_never_a_path(card, tmp_path, name):
    put_weights(tmp_path / BASE)
    put_lora(tmp_path / "loras", "ink.safetensors")
    put_lora(tmp_path, "secret.safetensors")

    assert found(card, tmp_path).lora_for(name) is None


def test_only_regular_safetensors_files_inside_the_folder_are_loras(card, tmp_path):
    put_weights(tmp_path / BASE)
    loras = tmp_path / "loras"
    ink = put_lora(loras, "ink.safetensors")
    put_lora(loras, "pickled.ckpt")
    (loras / "folder.safetensors").mkdir()
    (loras / "outside.safetensors").symlink_to(put_lora(tmp_path, "secret.safetensors"))
    (loras / "evil.safetensors").symlink_to(put_lora(tmp_path / "loras-evil", "secret.safetensors"))
    (loras / "nowhere.safetensors").symlink_to(loras / "gone")
    (loras / "loop.safetensors").symlink_to(loras / "loop.safetensors")
    (loras / "inside.safetensors").symlink_to(ink)
    (loras / "line\nbreak.safetensors").touch()

    assert list(found(card, tmp_path).loras) == ["ink", "inside"]


def test_the_lora_folder_itself_may_be_a_link(card, tmp_path):
    put_weights(tmp_path / "models" / BASE)
    put_lora(tmp_path / "shared", "ink.safetensors")
    (tmp_path / "models" / "loras").symlink_to(tmp_path / "shared")

    assert list(found(card, tmp_path / "models").loras) == ["ink"]


def test_without_a_lora_folder_there_are_no_loras(card, tmp_path):
    put_weights(tmp_path / BASE)

    assert found(card, tmp_path).loras == {}
