"""What a file or folder of weights is, told from names and shapes in its headers. No torch."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final, cast

from models.lora_family import Family
from models.lora_header import LoraError, understand
from models.lora_keys import Part, other_kind, split_key
from models.lora_words import trigger_words
from models.safetensors_header import SUFFIX, HeaderError, SafetensorsHeader, TensorSpec, read_header

PICKLES: Final = frozenset({".ckpt", ".pt", ".pth", ".bin", ".pkl", ".pickle"})
INDEX: Final = "model_index.json"

_UNET: Final = "model.diffusion_model."
_TEXT_1: Final = "conditioner.embedders.0.transformer."
_TEXT_2: Final = "conditioner.embedders.1.model."
_REFINER_TEXT: Final = "conditioner.embedders.0.model."
_VAE: Final = "first_stage_model."
_CONV_IN: Final = f"{_UNET}input_blocks.0.0.weight"
# How wide the text is that cross-attention reads, by model. Other widths are nobody's that we know.
_CONTEXT: Final = {768: "SD 1.5", 1024: "SD 2"}
_LORA_PARTS: Final = frozenset({Part.DOWN, Part.UP})
_CHANNELS: Final = 4


class Role(StrEnum):
    """What weights are used as."""

    BASE = "base"
    REFINER = "refiner"
    LORA = "lora"
    VAE = "vae"


class Unusable(Exception):
    """What lies there can't be drawn with; the message is one sentence that says why and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """What was found. `words` says it to people; `standard`: a single file has the sizes of SDXL 1.0."""

    role: Role
    words: str
    files: int
    size: int
    standard: bool = True


def recognise(path: Path) -> Recognised:
    """Say what lies at `path`. Raises Unusable."""
    try:
        if path.is_dir():
            return _folder(path)
        return _file(path)
    except OSError as error:
        raise Unusable(f"{path} can't be read: {error.strerror or error}.") from None


def read_weights_header(path: Path) -> SafetensorsHeader:
    """Read the header of a safetensors file. Raises Unusable for a pickle, another format, or a damaged file."""
    if path.suffix.lower() in PICKLES:
        raise Unusable(
            f"{path} is a pickle, which can run programs when it is opened: get the same weights as {SUFFIX}."
        )
    if path.suffix.lower() != SUFFIX:
        raise Unusable(f"{path} is no {SUFFIX} file; easel reads no other weights.")
    try:
        return read_header(path)
    except HeaderError as error:
        raise Unusable(f"{path} can't be used: {error}.") from None


# ── single files ─────────────────────────────────────────────────────────────────────────────────────────────────────
def _file(path: Path) -> Recognised:
    if not path.exists():
        raise Unusable(f"There is nothing at {path}.")
    header = read_weights_header(path)
    tensors, size = header.tensors, header.file_bytes
    if _is_lora(tensors):
        return _lora(path, header)
    if any(name.startswith(_UNET) for name in tensors):
        return _checkpoint(path, tensors, size)
    if any(name.removeprefix(_VAE).startswith("decoder.") for name in tensors):
        return _vae(path, tensors, size)
    raise Unusable(f"{path} holds no checkpoint, LoRA or VAE that easel knows; its first tensor is {_first(tensors)}.")


def _is_lora(tensors: Mapping[str, TensorSpec]) -> bool:
    return any(part[1] in _LORA_PARTS for part in map(split_key, tensors) if part) or other_kind(tensors) is not None


def _lora(path: Path, header: SafetensorsHeader) -> Recognised:
    try:
        facts = understand(header)
    except LoraError as error:
        raise Unusable(f"{path} is a LoRA that can't be used: {error}.") from None
    if facts.family not in {Family.SDXL_BASE, Family.UNKNOWN}:
        raise Unusable(f"{path} is a LoRA for {facts.family}, not for SDXL's base.")
    words = ", ".join(trigger_words(header.metadata))
    said = f"a LoRA: {facts.describe()}" + (f"; its words: {words}" if words else "")
    return Recognised(role=Role.LORA, words=said, files=1, size=header.file_bytes)


def _checkpoint(path: Path, tensors: Mapping[str, TensorSpec], size: int) -> Recognised:
    if any(name.startswith("cond_stage_model.") for name in tensors):
        wide = _cross_attention(tensors)
        raise Unusable(f"{path} is a checkpoint of {_CONTEXT.get(wide, 'another model')}, not of SDXL.")
    conv_in = tensors.get(_CONV_IN)
    if conv_in is None:
        raise Unusable(f"{path} is a checkpoint of another model than SDXL.")
    if conv_in.shape[1:2] != (_CHANNELS,):
        raise Unusable(f"{path} is an inpainting checkpoint; easel draws with text-to-image checkpoints.")
    base = any(name.startswith(_TEXT_2) for name in tensors)
    if not base and not any(name.startswith(_REFINER_TEXT) for name in tensors):
        raise Unusable(f"{path} holds a UNet without text encoders; easel needs the whole checkpoint.")
    for prefix, what in ((_VAE, "VAE"), *(((_TEXT_1, "first text encoder"),) if base else ())):
        if not any(name.startswith(prefix) for name in tensors):
            raise Unusable(f"{path} lacks its {what}; easel needs the whole checkpoint.")
    if "v_pred" in tensors:
        raise Unusable(f"{path} predicts velocities, not noise: add it as a folder in diffusers' layout.")
    standard = conv_in.shape[0] == (320 if base else 384)
    role = Role.BASE if base else Role.REFINER
    return Recognised(role=role, words=f"an SDXL {role} checkpoint", files=1, size=size, standard=standard)


def _cross_attention(tensors: Mapping[str, TensorSpec]) -> int:
    keys = (tensor for name, tensor in tensors.items() if name.endswith("attn2.to_k.weight"))
    return next((tensor.shape[-1] for tensor in keys if tensor.shape), 0)


def _vae(path: Path, tensors: Mapping[str, TensorSpec], size: int) -> Recognised:
    conv_in = next((tensor for name, tensor in tensors.items() if name.endswith("decoder.conv_in.weight")), None)
    if conv_in is None or conv_in.shape[1:2] != (_CHANNELS,):
        raise Unusable(f"{path} is a VAE of another model than SDXL.")
    return Recognised(role=Role.VAE, words="a VAE with four latent channels", files=1, size=size)


def _first(tensors: Mapping[str, TensorSpec]) -> str:
    return next(iter(tensors), "none at all")


# ── folders ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def _folder(folder: Path) -> Recognised:
    if not (folder / INDEX).is_file():
        config = _read(folder / "config.json") if (folder / "config.json").is_file() else {}
        if config.get("_class_name") == "AutoencoderKL":
            return _whole_folder(folder, Role.VAE, "a VAE", [folder])
        raise Unusable(f"{folder} holds no model: there is no {INDEX} in it.")
    index = _read(folder / INDEX)
    kind = str(index.get("_class_name"))
    if not kind.startswith("StableDiffusionXL"):
        known = "an SD 1.5 or SD 2 model" if kind.startswith("StableDiffusion") else f"of the kind {kind}"
        raise Unusable(f"{folder} is {known}, not SDXL.")
    refiner = not (folder / "text_encoder").is_dir()
    role = Role.REFINER if refiner else Role.BASE
    parts = ["unet", "vae", "text_encoder_2", *([] if refiner else ["text_encoder"])]
    return _whole_folder(folder, role, f"an SDXL {role} in diffusers' layout", [folder / part for part in parts])


def _whole_folder(folder: Path, role: Role, words: str, parts: list[Path]) -> Recognised:
    files: list[Path] = []
    for part in parts:
        own = sorted(part.glob(f"*{SUFFIX}"))
        if not own and any(file.suffix in PICKLES for file in part.glob("*")):
            raise Unusable(f"{part} holds pickles only, which can run programs when they are opened: get {SUFFIX}.")
        if not own:
            raise Unusable(f"{folder} is not whole: there is no {SUFFIX} file in {part}.")
        files.extend(own)
    for file in files:
        read_weights_header(file)
    size = sum(file.stat().st_size for file in files)
    return Recognised(role=role, words=words, files=len(files), size=size)


def _read(path: Path) -> dict[str, object]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        raise Unusable(f"{path} can't be read as JSON; get it again.") from None
    return cast("dict[str, object]", content) if isinstance(content, dict) else {}
