"""The miniature takes the place of real weights, and never stands beside them."""

import math
from pathlib import Path

import pytest

from models.catalogue import Catalogue
from models.shipped import drawn_size, find_drawable, miniature_weights, weights_for
from models.vocabulary import read_vocabulary
from models.weights import Missing, WeightSet
from tests.weights import BASE, BASE_FILES, REFINER, put, put_lora, put_weights

PLAIN = """
family = "sdxl"
owner = "me"
name = "{name}"
title = "Mine"
description = "Mine."
categories = []
tags = []
cps = 0.0

[weights]
base = ["{name}"]
"""


def shipped() -> WeightSet:
    weights = miniature_weights()
    assert isinstance(weights, WeightSet), weights
    return weights


def catalogue_with(folder: Path, name: str, text: str) -> Catalogue:
    (folder / "cards" / "me").mkdir(parents=True)
    (folder / "cards" / "me" / f"{name}.toml").write_text(text.format(name=name))
    return Catalogue.load([folder / "cards"])


# ── the package ──────────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_package_holds_a_whole_miniature_of_at_most_32_megabytes():
    weights = shipped()
    files = [path for path in weights.base.parent.rglob("*") if path.is_file()]

    assert weights.miniature_side == 128
    assert list(weights.loras) == ["Studio-Trigger"]
    assert sum(path.stat().st_size for path in files) <= 32e6
    assert not [path for path in files if path.suffix in {".bin", ".ckpt", ".pt"}]
    card = (weights.base.parent / "README.md").read_text()
    assert "apache-2.0" in card
    assert read_vocabulary().trigger in card


def test_a_damaged_miniature_is_named(tmp_path):
    for part, files in (("base", BASE_FILES), ("refiner", BASE_FILES)):
        put(tmp_path / part, files)
    (tmp_path / "refiner" / "vae" / "config.json").unlink()

    missing = miniature_weights(tmp_path)

    assert isinstance(missing, Missing)
    assert f"{tmp_path / 'refiner/vae/config.json'} is missing" in missing.sentence


# ── when it draws ────────────────────────────────────────────────────────────────────────────────────────────────────
def test_without_real_weights_it_draws_both_cards_where_it_may(catalogue, tmp_path):
    allowed = find_drawable(catalogue, [tmp_path], miniature=True)
    assert dict(allowed.weights) == {card.slug: shipped() for card in catalogue}

    forbidden = find_drawable(catalogue, [tmp_path], miniature=False)
    assert not forbidden.weights
    assert [missing.partly for missing in forbidden.missing] == [False] * len(catalogue)


def test_real_weights_come_first_with_their_own_loras(card, tmp_path):
    base = put_weights(tmp_path)
    ink = put_lora(tmp_path / "loras", "ink.safetensors")
    weights = weights_for(card, [tmp_path], miniature=True)

    assert isinstance(weights, WeightSet)
    assert (weights.base, dict(weights.loras), weights.miniature) == (base, {"ink": ink}, False)


def test_loras_beside_missing_weights_are_not_the_miniatures(card, tmp_path):
    put_lora(tmp_path / "loras", "ink.safetensors")
    put_lora(tmp_path / "miniature" / "loras", "ink.safetensors")
    weights = weights_for(card, [tmp_path], miniature=True)

    assert weights == shipped()


@pytest.mark.parametrize("there", [BASE, REFINER])
def test_it_never_stands_in_for_a_half_installed_model(catalogue, tmp_path, there):
    put_weights(tmp_path)
    (tmp_path / there / "vae" / "config.json").unlink()
    found = find_drawable(catalogue, [tmp_path], miniature=True)

    assert not found.weights
    assert f"{tmp_path / there / 'vae/config.json'} is missing" in found.missing[0].sentence


def test_one_half_installed_model_keeps_it_from_all_cards(tmp_path):
    catalogue = catalogue_with(tmp_path, "inkpot", PLAIN + "[miniature]\n")
    (tmp_path / "inkpot").mkdir()
    found = find_drawable(catalogue, [tmp_path], miniature=True)

    assert not found.weights
    assert f"{tmp_path / 'inkpot' / 'model_index.json'} is missing" in found.missing[0].sentence


def test_beside_real_weights_nothing_is_drawn_with_it(tmp_path):
    catalogue = catalogue_with(tmp_path, "inkpot", PLAIN)
    put(tmp_path / "inkpot", BASE_FILES)

    assert list(find_drawable(catalogue, [tmp_path], miniature=True).weights) == ["me/inkpot"]


def test_a_card_that_does_not_mention_it_is_not_drawn_with_it(tmp_path):
    found = find_drawable(catalogue_with(tmp_path, "inkpot", PLAIN), [tmp_path], miniature=True)

    assert "me/inkpot" not in found.weights
    assert set(found.weights) == {card.slug for card in Catalogue.load()}
    assert "EASEL_MINIATURE" not in found.missing[0].sentence


# ── its size ─────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("asked", "drawn"),
    [
        ((1024, 1024), (128, 128)),
        ((512, 512), (128, 128)),
        ((136, 136), (128, 128)),
        ((128, 128), (128, 128)),
        ((64, 64), (64, 64)),
        ((96, 128), (96, 128)),
        ((64, 256), (64, 256)),
        ((1024, 512), (184, 88)),
        ((832, 1216), (104, 152)),
        ((1920, 1080), (168, 96)),
        ((64, 2048), (64, 2048)),
        ((2048, 128), (1024, 64)),
    ],
)
def test_sizes_above_its_own_area_are_drawn_at_it(asked, drawn):
    assert drawn_size(*asked, 128) == drawn


def test_every_size_is_drawn_in_its_shape():
    sides = range(64, 2049, 8)
    for width in sides:
        for height in sides:
            drawn = drawn_size(width, height, 128)
            assert all(side % 8 == 0 and side >= 64 for side in drawn)
            assert drawn[0] <= width
            assert drawn[1] <= height
            assert abs(math.log(drawn[0] / drawn[1]) - math.log(width / height)) < math.log(1.11)
            assert drawn[0] * drawn[1] <= 1.1 * 128**2 or min(drawn) == 64
