"""Trainers' names of SDXL's layers, against diffusers' own translation, on the full-size UNet without its weights."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from diffusers import UNet2DConditionModel
from diffusers.loaders import StableDiffusionXLLoraLoaderMixin

from models.lora_keys import split_key, stability_paths, units_of
from pipelines.lora_files import layers_of

CONFIGS = json.loads((Path(__file__).parents[3] / "bench" / "sdxl" / "sdxl-1.0.json").read_text())


@pytest.fixture(scope="module")
def layers():
    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(CONFIGS["base_unet"])
    return layers_of({"unet": unet})["unet"]


def kohya(unit: str) -> dict[str, torch.Tensor]:
    return {
        f"{unit}.alpha": torch.tensor(1.0),
        f"{unit}.lora_down.weight": torch.zeros(1, 1),
        f"{unit}.lora_up.weight": torch.zeros(1, 1),
    }


def test_sdxl_has_722_layers_in_its_transformers(layers):
    assert sum(".attentions." in path for path in layers) == 722


def test_kohyas_names_are_those_that_diffusers_knows(layers):
    inside = [path for path in layers if ".attentions." in path]
    named = [f"lora_unet_{stability_paths(path, 2)[0].replace('.', '_')}" for path in inside]
    weights = {key: value for unit in named for key, value in kohya(unit).items()}
    config = SimpleNamespace(layers_per_block=2)
    renamed, _alphas = StableDiffusionXLLoraLoaderMixin.lora_state_dict(weights, unet_config=config)
    homes = {unit: path for path in inside for unit in units_of("unet", path, 2)}
    theirs = {homes[split_key(key)[0]] for key in renamed}
    assert len(renamed) == 2 * len(inside)
    assert theirs == set(inside)


def test_no_two_layers_have_one_name(layers):
    homes: dict[str, str] = {}
    for path in layers:
        for unit in units_of("unet", path, 2):
            assert homes.setdefault(unit, path) == path


@pytest.mark.parametrize(
    ("path", "theirs"),
    [
        ("conv_in", "input_blocks.0.0"),
        ("down_blocks.0.resnets.1.conv1", "input_blocks.2.0.in_layers.2"),
        ("down_blocks.0.downsamplers.0.conv", "input_blocks.3.0.op"),
        ("down_blocks.1.resnets.0.conv_shortcut", "input_blocks.4.0.skip_connection"),
        ("down_blocks.2.attentions.1.proj_in", "input_blocks.8.1.proj_in"),
        ("mid_block.resnets.1.time_emb_proj", "middle_block.2.emb_layers.1"),
        ("up_blocks.0.upsamplers.0.conv", "output_blocks.2.2.conv"),
        ("up_blocks.2.resnets.2.conv2", "output_blocks.8.0.out_layers.3"),
        ("add_embedding.linear_2", "label_emb.0.2"),
        ("conv_out", "out.2"),
    ],
)
def test_convolutions_have_stabilitys_names(path, theirs):
    assert theirs in stability_paths(path, 2)
