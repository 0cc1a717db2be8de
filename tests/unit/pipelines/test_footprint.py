"""The figures of docs/hardware.md, and the factors the engine estimates with, are those that are counted."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel

from models.memory_estimate import Equipment, estimate_memory, read_sizes
from models.memory_plan import GIB, HEADLINE
from models.shipped import miniature_weights
from pipelines.footprint import decode_bytes_per_pixel, unet_bytes_per_place
from pipelines.loading import load_weights
from tools.footprint import CONFIGS, card_lines, decode_peak, parameters, unet_peak

HARDWARE = (Path(__file__).parents[3] / "docs" / "hardware.md").read_text()


def test_the_tables_of_the_document_are_computed():
    counts = parameters()
    assert [line for line in card_lines(counts) if line not in HARDWARE] == []
    assert [
        count for count in counts.values() if f"{count / 1e6:,.1f} M | {2 * count / GIB:.2f} GiB" not in HARDWARE
    ] == []


@pytest.mark.parametrize("side", [512, 1024])
def test_a_decode_takes_what_is_estimated(side):
    with torch.device("meta"):
        vae = AutoencoderKL.from_config(dict(CONFIGS["vae"]))
    assert decode_peak(side, torch.float32) == pytest.approx(decode_bytes_per_pixel(vae) * side**2, rel=0.05)


@pytest.mark.parametrize("refiner", [False, True])
def test_a_dry_run_counts_the_weights_that_are_loaded(refiner):
    shipped = miniature_weights() if refiner else replace(miniature_weights(), refiner=None)
    loaded = load_weights(shipped.base, shipped.refiner, torch.device("cpu"), lambda _what, _fraction: None)
    modules = {id(module): module for group in loaded.groups().values() for module in group}
    held = sum(value.nbytes for module in modules.values() for value in module.state_dict().values())
    estimate = estimate_memory(read_sizes(shipped), Equipment(device="cpu", dtype="float32"), (128, 128), 2)
    assert estimate.weights == held


def test_the_plan_has_room_for_a_decode():
    assert decode_peak(1024, torch.float32) <= 1.01 * HEADLINE.decode_bytes


@pytest.mark.slow
@pytest.mark.parametrize("name", ["base_unet", "refiner_unet"])
def test_a_unet_takes_what_is_estimated(name):
    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(dict(CONFIGS[name])).to(torch.float16)
    expected = 2 * unet_bytes_per_place(unet) * 128**2
    assert unet_peak(1024, 2, torch.float16, name) == pytest.approx(expected, rel=0.25)
