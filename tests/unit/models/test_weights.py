"""Where weights are found, and that a LoRA's name is never a path."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from models.card import WeightNames
from models.weights import Missing, WeightSet, find_weights
from tests.weights import BASE, BASE_FILES, REFINER, REFINER_FILES, put, put_lora, put_weights


def found(card, *folders: Path) -> WeightSet:
    weights = find_weights(card, folders)
    assert isinstance(weights, WeightSet)
    return weights


def test_base_refiner_and_loras_are_found_together(card, tmp_path):
    base = put_weights(tmp_path)
    lora = put_lora(tmp_path / "loras", "ink.safetensors")

    assert found(card, tmp_path / "empty", tmp_path) == WeightSet(
        base=base, refiner=tmp_path / REFINER, loras={"ink": lora}
    )
    assert not found(card, tmp_path).miniature


def test_the_refiner_may_lie_in_another_folder_but_the_nearest_is_taken(card, tmp_path):
    folders = (tmp_path / "one", tmp_path / "two")
    far = put(tmp_path / "one" / REFINER, REFINER_FILES)
    put(tmp_path / "two" / BASE, BASE_FILES)
    assert found(card, *folders).refiner == far

    near = put(tmp_path / "two" / REFINER, REFINER_FILES)
    assert found(card, *folders).refiner == near


def test_a_whole_one_in_a_later_folder_is_taken_before_a_broken_one(card, tmp_path):
    put(tmp_path / "one" / BASE, BASE_FILES[1:])
    base = put_weights(tmp_path / "two")

    assert found(card, tmp_path / "one", tmp_path / "two").base == base


def test_a_card_without_a_refiner_needs_none(card, tmp_path):
    base = put(tmp_path / BASE, BASE_FILES)

    assert found(replace(card, weights=WeightNames(base=(BASE,))), tmp_path).refiner is None
    assert found(replace(card, weights=WeightNames(base=(BASE,))), tmp_path).base == base


@pytest.mark.parametrize("kind", [BASE, REFINER])
def test_tokenizers_come_in_one_file_too(card, tmp_path, kind):
    put_weights(tmp_path)
    for old in ("vocab.json", "merges.txt"):
        (tmp_path / kind / "tokenizer_2" / old).unlink()
    put(tmp_path / kind, ["tokenizer_2/tokenizer.json"])

    assert found(card, tmp_path)


# ── half-installed ───────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("kind", "gone"), [*((BASE, name) for name in BASE_FILES), *((REFINER, name) for name in REFINER_FILES)]
)
def test_a_missing_file_is_named(card, tmp_path, kind, gone):
    put_weights(tmp_path)
    (tmp_path / kind / gone).unlink()
    missing = find_weights(card, [tmp_path])

    assert isinstance(missing, Missing)
    assert missing.partly
    named = gone if not gone.endswith(".safetensors") else f"{Path(gone).parent}/*.safetensors"
    assert f"{tmp_path / kind / named} is missing" in missing.sentence
    assert f"put the whole of {kind} into {tmp_path / kind}" in missing.sentence
    role = "base" if kind == BASE else "refiner"
    assert f"`easel models pull stabilityai/{kind} --as {role}` brings it" in missing.sentence


@pytest.mark.parametrize("there", [BASE, REFINER])
def test_an_expert_that_is_not_there_at_all_is_named(card, tmp_path, there):
    put_weights(tmp_path)
    gone = REFINER if there == BASE else BASE
    shutil.rmtree(tmp_path / gone)
    missing = find_weights(card, [tmp_path])

    assert isinstance(missing, Missing)
    assert missing.partly
    assert f"{tmp_path / gone / 'model_index.json'} is missing" in missing.sentence


def test_an_empty_folder_or_a_link_to_nowhere_is_half_installed(card, tmp_path):
    (tmp_path / "one" / BASE).mkdir(parents=True)
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / BASE).symlink_to(tmp_path / "unmounted")

    for folder in ("one", "two"):
        missing = find_weights(card, [tmp_path / folder])
        assert isinstance(missing, Missing)
        assert missing.partly, folder


# ── nothing there ────────────────────────────────────────────────────────────────────────────────────────────────────
def test_what_is_missing_is_said_in_one_sentence(card, tmp_path):
    missing = find_weights(card, [tmp_path, tmp_path / "nowhere"])

    assert missing == Missing(
        "No weights for hevok/studio-trigger: looked for stable-diffusion-xl-base-1.0 "
        f"in {tmp_path}, {tmp_path}/nowhere; `easel models pull stabilityai/stable-diffusion-xl-base-1.0 --as base` "
        "brings them, `easel models add PATH` adopts what you have, or name the folder that holds them in "
        "EASEL_MODELS_DIR, or set EASEL_MINIATURE=1 to draw with the miniature."
    )


def test_without_folders_nothing_is_found(card):
    missing = find_weights(card, [])

    assert isinstance(missing, Missing)
    assert "in no folder at all" in missing.sentence


# ── LoRAs ────────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_lora_is_found_by_name_exactly_first_then_in_any_case(card, tmp_path):
    put_weights(tmp_path)
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
    put_weights(tmp_path)
    put_lora(tmp_path / "loras", "ink.safetensors")
    put_lora(tmp_path, "secret.safetensors")

    assert found(card, tmp_path).lora_for(name) is None


def test_only_regular_safetensors_files_inside_the_folder_are_loras(card, tmp_path):
    put_weights(tmp_path)
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
    put_weights(tmp_path / "models")
    put_lora(tmp_path / "shared", "ink.safetensors")
    (tmp_path / "models" / "loras").symlink_to(tmp_path / "shared")

    assert list(found(card, tmp_path / "models").loras) == ["ink"]


def test_without_a_lora_folder_there_are_no_loras(card, tmp_path):
    put_weights(tmp_path)

    assert found(card, tmp_path).loras == {}
