"""Which model a LoRA was made for, from its layers' names and shapes.

The width of what cross-attention reads, the text encoders' output, tells the UNets apart: 768 in Stable Diffusion 1,
1024 in 2, 2048 in SDXL's base, 1280 in its refiner. Transformers have other names altogether.
"""

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final, TypeAlias


class Family(StrEnum):
    """What a LoRA was made for, in words for people."""

    SDXL_BASE = "SDXL base"
    SDXL_REFINER = "SDXL refiner"
    SD_1 = "Stable Diffusion 1"
    SD_2 = "Stable Diffusion 2"
    SD_3 = "Stable Diffusion 3"
    FLUX = "Flux"
    TRANSFORMER = "a diffusion transformer"
    UNKNOWN = "a model that isn't known"


NamedShapes: TypeAlias = Sequence[tuple[str, tuple[int, ...], tuple[int, ...]]]

_WIDTHS: Final[Mapping[int, Family]] = {
    768: Family.SD_1,
    1024: Family.SD_2,
    2048: Family.SDXL_BASE,
    1280: Family.SDXL_REFINER,
}
_TEXT_WIDTHS: Final[Mapping[int, Family]] = {768: Family.SD_1, 1024: Family.SD_2}
_CROSS_ATTENTION: Final = re.compile(r"attn2[._]to_[kv]$")
_TEXT_INPUT: Final = re.compile(r"(?:[qkv]_proj|mlp_fc1)$")
"""Layers that read a text encoder's own width."""
_NAMES: Final[Sequence[tuple[str, Family]]] = (
    (r"single_transformer_blocks|double_blocks|single_blocks", Family.FLUX),
    (r"joint_blocks|lora_te3_|text_encoder_3\.|^(?:lora_)?transformer[._].*attn[._]add_[qkv]_proj", Family.SD_3),
    (r"^(?:lora_)?transformer[._]|^(?:diffusion_model|lora_unet)[._](?:layers|blocks)[._]", Family.TRANSFORMER),
)
_METADATA: Final[Sequence[tuple[str, Family]]] = (
    (r"refiner", Family.SDXL_REFINER),
    (r"sdxl|stable-diffusion-xl", Family.SDXL_BASE),
    (r"flux", Family.FLUX),
    (r"sd_?3|stable-diffusion-3|stable-diffusion-v3", Family.SD_3),
    (r"sd_v2|stable-diffusion-v2", Family.SD_2),
    (r"sd_v1|sd_1|stable-diffusion-v1", Family.SD_1),
)
_METADATA_KEYS: Final = ("ss_base_model_version", "modelspec.architecture")


def family_of(units: NamedShapes, metadata: Mapping[str, str]) -> Family:
    """Recognise the family from (unit, shape of down, shape of up), and where these don't tell, from the metadata."""
    names = [name for name, _down, _up in units]
    for pattern, family in _NAMES:
        if any(re.search(pattern, name) for name in names):
            return family
    if widths := {down[1] for name, down, _up in units if _CROSS_ATTENTION.search(name)}:
        # where several widths occur, these are no UNet's of one text encoder
        known = {_WIDTHS[width] for width in widths if width in _WIDTHS}
        return known.pop() if len(known) == 1 and len(widths) == 1 else Family.UNKNOWN
    return _by_text_encoder(units) or _by_metadata(metadata)


def _by_text_encoder(units: NamedShapes) -> Family | None:
    if any(name.startswith(("lora_te2_", "text_encoder_2.")) for name, _down, _up in units):
        return Family.SDXL_BASE
    widths = {down[1] for name, down, _up in units if name.startswith("lora_te_") and _TEXT_INPUT.search(name)}
    return _TEXT_WIDTHS.get(widths.pop()) if len(widths) == 1 else None


def _by_metadata(metadata: Mapping[str, str]) -> Family:
    said = " ".join(metadata.get(key, "").lower() for key in _METADATA_KEYS)
    return next((family for pattern, family in _METADATA if re.search(pattern, said)), Family.UNKNOWN)
