"""Safetensors files with headers as they come and nothing behind them but zeros."""

import json
import math
from collections.abc import Mapping
from pathlib import Path

BASE = {
    "model.diffusion_model.input_blocks.0.0.weight": (320, 4, 3, 3),
    "conditioner.embedders.0.transformer.text_model.embeddings.position_embedding.weight": (77, 768),
    "conditioner.embedders.1.model.positional_embedding": (77, 1280),
    "first_stage_model.decoder.conv_in.weight": (512, 4, 3, 3),
}
REFINER = {
    "model.diffusion_model.input_blocks.0.0.weight": (384, 4, 3, 3),
    "conditioner.embedders.0.model.text_projection": (1280, 1280),
    "first_stage_model.decoder.conv_in.weight": (512, 4, 3, 3),
}
SD_15 = {
    "model.diffusion_model.input_blocks.0.0.weight": (320, 4, 3, 3),
    "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (320, 768),
    "cond_stage_model.transformer.text_model.embeddings.position_embedding.weight": (77, 768),
    "first_stage_model.decoder.conv_in.weight": (512, 4, 3, 3),
}
VAE = {"decoder.conv_in.weight": (512, 4, 3, 3), "encoder.conv_in.weight": (128, 3, 3, 3)}


def lora(width: int) -> dict[str, tuple[int, ...]]:
    unit = "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k"
    return {f"{unit}.lora_down.weight": (4, width), f"{unit}.lora_up.weight": (640, 4), f"{unit}.alpha": ()}


def write_tensors(path: Path, shapes: Mapping[str, tuple[int, ...]], metadata: Mapping[str, str] | None = None) -> Path:
    """Write a float16 file; its zeros are a hole that takes no room."""
    entries: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    at = 0
    for name, shape in shapes.items():
        size = 2 * math.prod(shape)
        entries[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    return write_header(path, json.dumps(entries).encode(), at)


def write_header(path: Path, header: bytes, data: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        file.truncate(8 + len(header) + data)
    return path
