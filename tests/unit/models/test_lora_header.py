"""What is told of a LoRA by its header alone. Files are written without torch."""

import json
import math
import struct
from collections.abc import Mapping
from pathlib import Path

import pytest

from models.lora_header import LoraError, check_fit, fit_to, read_lora_header

Shapes = Mapping[str, tuple[int, ...]]


def write(path: Path, shapes: Shapes, metadata: Mapping[str, str] | None = None) -> Path:
    header: dict[str, object] = {"__metadata__": dict(metadata or {})}
    end = 0
    for name, shape in shapes.items():
        begin, end = end, end + 2 * math.prod(shape)
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(end))
    return path


def kohya(unit: str, inputs: int, outputs: int, rank: int = 4) -> dict[str, tuple[int, ...]]:
    return {
        f"{unit}.alpha": (),
        f"{unit}.lora_down.weight": (rank, inputs),
        f"{unit}.lora_up.weight": (outputs, rank),
    }


def peft(unit: str, inputs: int, outputs: int, rank: int = 4) -> dict[str, tuple[int, ...]]:
    return {f"{unit}.lora_A.weight": (rank, inputs), f"{unit}.lora_B.weight": (outputs, rank)}


CROSS = "input_blocks_4_1_transformer_blocks_0_attn2_to_k"


@pytest.mark.parametrize(
    ("shapes", "metadata", "family"),
    [
        (kohya(f"lora_unet_{CROSS}", 2048, 640), {}, "SDXL base"),
        (peft("unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_v", 2048, 640), {}, "SDXL base"),
        (kohya(f"lora_unet_{CROSS}", 1280, 640), {}, "SDXL refiner"),
        (
            kohya("lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k", 768, 320),
            {},
            "Stable Diffusion 1",
        ),
        (
            kohya("lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k", 1024, 320),
            {},
            "Stable Diffusion 2",
        ),
        (kohya("lora_te_text_model_encoder_layers_0_self_attn_k_proj", 768, 768), {}, "Stable Diffusion 1"),
        (kohya("lora_te2_text_model_encoder_layers_0_self_attn_k_proj", 1280, 1280), {}, "SDXL base"),
        (kohya("lora_unet_double_blocks_0_img_attn_proj", 3072, 3072), {}, "Flux"),
        (peft("transformer.single_transformer_blocks.3.attn.to_q", 3072, 3072), {}, "Flux"),
        (peft("transformer.transformer_blocks.3.attn.add_q_proj", 1536, 1536), {}, "Stable Diffusion 3"),
        (peft("transformer.blocks.3.attn.to_q", 1536, 1536), {}, "a diffusion transformer"),
        (peft("diffusion_model.layers.3.attention.to_q", 3840, 3840), {}, "a diffusion transformer"),
        (kohya("lora_unet_input_blocks_0_0", 4, 8), {"ss_base_model_version": "sdxl_base_v1-0"}, "SDXL base"),
        (
            kohya("lora_unet_input_blocks_0_0", 4, 8),
            {"modelspec.architecture": "stable-diffusion-v1/lora"},
            "Stable Diffusion 1",
        ),
        (kohya("lora_unet_input_blocks_0_0", 4, 8), {}, "a model that isn't known"),
        (kohya(f"lora_unet_{CROSS}", 128, 64), {}, "a model that isn't known"),
    ],
)
def test_the_family_is_recognised(tmp_path, shapes, metadata, family):
    assert read_lora_header(write(tmp_path / "x.safetensors", shapes, metadata)).family == family


def test_rank_kind_and_number_of_layers_are_told(tmp_path):
    shapes = {**kohya(f"lora_unet_{CROSS}", 2048, 640, 16), **kohya("lora_unet_a", 3, 3, 8)}
    facts = read_lora_header(write(tmp_path / "x.safetensors", shapes))
    assert facts.describe() == "ranks 8 to 16, SDXL base, 2 layers"
    assert not facts.dora
    dora = {**kohya(f"lora_unet_{CROSS}", 2048, 640, 16), f"lora_unet_{CROSS}.dora_scale": (640, 1)}
    assert read_lora_header(write(tmp_path / "x.safetensors", dora)).describe() == "DoRA, rank 16, SDXL base, 1 layer"


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        ({"lora_unet_x.lokr_w1": (2, 2), "lora_unet_x.lokr_w2": (2, 2)}, "LoKr"),
        ({"lora_unet_x.hada_w1_a": (2, 2)}, "LoHa"),
        ({"lora_unet_x.oft_blocks": (2, 2)}, "OFT"),
        ({"lora_unet_x.a1.weight": (2, 2)}, "GLoRA"),
        ({"lora_unet_x.on_input": (), "lora_unet_x.weight": (2,)}, "IA³"),
        ({"lora_unet_x.diff": (2, 2)}, "full weight differences"),
        ({**kohya("lora_unet_x", 3, 3), "lora_unet_x.lora_mid.weight": (4, 4, 3, 3)}, "Tucker"),
        ({"unet.x.lora_A.weight": (4, 3)}, "no up weight"),
        ({"unet.x.lora_B.weight": (4, 3)}, "no down weight"),
        ({"unet.x.lora_A.weight": (4, 3), "unet.x.lora_B.weight": (9, 5)}, "don't make a LoRA layer"),
        ({"unet.x.lora_A.weight": (4,), "unet.x.lora_B.weight": (9, 4)}, "don't make a LoRA layer"),
        ({**kohya("lora_unet_x", 3, 3), "lora_unet_x.alpha": (2,)}, "no single number"),
        ({"model.diffusion_model.input_blocks.0.0.weight": (4, 4)}, "no LoRA layer; its first tensor is model"),
        ({}, "no LoRA layer"),
    ],
)
def test_what_cant_be_used_is_called_by_its_name(tmp_path, shapes, words):
    with pytest.raises(LoraError, match=words):
        read_lora_header(write(tmp_path / "x.safetensors", shapes))


LAYERS = {
    "unet": {f"mid_block.attentions.0.transformer_blocks.{n}.attn2.to_k": (640, 48) for n in range(10)},
    "text_encoder": {"encoder.layers.0.self_attn.q_proj": (16, 16), "text_model.encoder.layers.0.mlp.fc1": (64, 16)},
}


def middle(count: int, inputs: int = 48) -> dict[str, tuple[int, ...]]:
    names = [f"lora_unet_middle_block_1_transformer_blocks_{n}_attn2_to_k" for n in range(count)]
    return {key: shape for name in names for key, shape in kohya(name, inputs, 640).items()}


@pytest.mark.parametrize(
    "unit",
    [
        "text_encoder.encoder.layers.0.self_attn.q_proj",
        "text_encoder.text_model.encoder.layers.0.self_attn.q_proj",
        "text_encoder.text_model.encoder.layers.0.self_attn.to_q",
        "lora_te1_text_model_encoder_layers_0_self_attn_q_proj",
        "lora_te_text_model_encoder_layers_0_self_attn_q_proj",
    ],
)
def test_a_text_encoders_layer_is_found_under_all_its_names(tmp_path, unit):
    facts = read_lora_header(write(tmp_path / "x.safetensors", peft(unit, 16, 16)))
    assert set(fit_to(facts, LAYERS).placed) == {("text_encoder", "encoder.layers.0.self_attn.q_proj")}


def test_a_few_layers_may_be_left_over_and_many_may_not(tmp_path):
    few = {**middle(8), **kohya("lora_unet_elsewhere", 3, 3), "bundle_emb.word.clip_l": (1, 768)}
    fit = check_fit(read_lora_header(write(tmp_path / "few.safetensors", few)), LAYERS)
    assert fit.describe() == "8 of 10 layers fit"
    many = {**few, **kohya("lora_unet_elsewhere_too", 3, 3)}
    with pytest.raises(LoraError, match=r"^8 of 11 layers fit this model.*: lora_unet_elsewhere isn't there$"):
        check_fit(read_lora_header(write(tmp_path / "many.safetensors", many)), LAYERS)


def test_a_lora_for_another_family_is_refused_in_its_name(tmp_path):
    facts = read_lora_header(write(tmp_path / "x.safetensors", middle(10, inputs=768)))
    with pytest.raises(LoraError, match="0 of 10 layers fit this model, and it seems made for Stable Diffusion 1: "):
        check_fit(facts, LAYERS)


def test_a_convolution_fits_by_its_kernel(tmp_path):
    layers = {"unet": {"conv_in": (320, 4, 3, 3), "mid_block.attentions.0.proj_in": (8, 8, 1, 1)}}
    good = {
        "unet.conv_in.lora_A.weight": (4, 4, 3, 3),
        "unet.conv_in.lora_B.weight": (320, 4, 1, 1),
        **kohya("lora_unet_middle_block_1_proj_in", 8, 8),
    }
    assert fit_to(read_lora_header(write(tmp_path / "good.safetensors", good)), layers).share == 1
    bad = {**good, "unet.conv_in.lora_A.weight": (4, 4, 1, 1)}
    assert len(fit_to(read_lora_header(write(tmp_path / "bad.safetensors", bad)), layers).misshapen) == 1
