"""The figures of docs/hardware.md, and the factors the engine estimates with, are those that are counted."""

from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel

from models.memory_plan import DECODE_BYTES, GIB
from pipelines.footprint import decode_bytes_per_pixel, unet_bytes_per_place
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


def test_the_plan_has_room_for_a_decode():
    assert decode_peak(1024, torch.float32) <= 1.01 * DECODE_BYTES


@pytest.mark.slow
@pytest.mark.parametrize("name", ["base_unet", "refiner_unet"])
def test_a_unet_takes_what_is_estimated(name):
    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(dict(CONFIGS[name])).to(torch.float16)
    expected = 2 * unet_bytes_per_place(unet) * 128**2
    assert unet_peak(1024, 2, torch.float16, name) == pytest.approx(expected, rel=0.25)
