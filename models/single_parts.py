"""Which tensors of a single file belong to which part of an expert: unet, vae, text_encoder, text_encoder_2."""

from collections.abc import Mapping, Sequence
from typing import Final

TEXT_1: Final = "conditioner.embedders.0.transformer."
TEXT_2: Final = "conditioner.embedders.1.model."
REFINER_TEXT: Final = "conditioner.embedders.0.model."
VAE: Final = "first_stage_model."

_PREFIXES: Final[Mapping[str, tuple[str, ...]]] = {
    "unet": ("model.diffusion_model.",),
    "text_encoder": (TEXT_1,),
    "text_encoder_2": (TEXT_2, REFINER_TEXT),
    "vae": (VAE,),
}
_VAE_ALONE: Final = ("encoder.", "decoder.", "quant_conv.", "post_quant_conv.")


def names_of_part(names: Sequence[str], part: str) -> list[str]:
    """Return the names, of all in a checkpoint or a VAE alone, that are that part's."""
    for prefix in _PREFIXES[part]:
        if part == "text_encoder_2" and prefix == REFINER_TEXT and any(name.startswith(TEXT_1) for name in names):
            continue
        if found := [name for name in names if name.startswith(prefix)]:
            return found
    return [name for name in names if part == "vae" and name.startswith(_VAE_ALONE)]
