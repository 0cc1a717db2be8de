"""The files that weights are read from, so that they can be told apart by what is in them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

_NETWORKS: Final = ("unet", "text_encoder", "text_encoder_2", "vae")
_VARIANT: Final = ".fp16."


def weight_files(place: Path) -> Mapping[str, Path]:
    """Return the safetensors files that are loaded from an expert's folder, or the one file that holds it, by name.

    The UNet's come first. Where a network lies there in two number formats, the plain one is loaded.
    """
    if place.is_file():
        return {place.name: place}
    found: dict[str, Path] = {}
    for network in _NETWORKS:
        files = sorted((place / network).glob("*.safetensors"))
        plain = [file for file in files if _VARIANT not in file.name]
        found |= {f"{network}/{file.name}": file for file in plain or files}
    return found
