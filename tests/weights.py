"""Folders that look like installed weights: every file that is needed, all of them empty."""

from collections.abc import Sequence
from pathlib import Path

BASE, REFINER = "stable-diffusion-xl-base-1.0", "stable-diffusion-xl-refiner-1.0"

REFINER_FILES = (
    "model_index.json",
    "scheduler/scheduler_config.json",
    "unet/config.json",
    "unet/diffusion_pytorch_model.fp16.safetensors",
    "vae/config.json",
    "vae/diffusion_pytorch_model.fp16.safetensors",
    "text_encoder_2/config.json",
    "text_encoder_2/model.fp16.safetensors",
    "tokenizer_2/vocab.json",
    "tokenizer_2/merges.txt",
)
BASE_FILES = (
    *REFINER_FILES,
    "text_encoder/config.json",
    "text_encoder/model.fp16.safetensors",
    "tokenizer/vocab.json",
    "tokenizer/merges.txt",
)


def put(folder: Path, files: Sequence[str]) -> Path:
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def put_weights(folder: Path) -> Path:
    """Install base and refiner, whole; return where the base lies."""
    put(folder / REFINER, REFINER_FILES)
    return put(folder / BASE, BASE_FILES)


def put_lora(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).touch()
    return folder / name
