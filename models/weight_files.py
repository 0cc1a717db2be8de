"""The files that weights are read from, so that they can be told apart by what is in them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

_NETWORKS: Final = ("unet", "text_encoder", "text_encoder_2", "vae")
_VARIANT: Final = ".fp16."


def weight_files(place: Path) -> Mapping[str, Path]:
    """Return the safetensors files that are loaded from an expert's folder, or the one file that holds it, by name.

    The UNet's come first; those of a network's own folder have no folder in their names. Where a network lies there in
    two number formats, the plain one is loaded.
    """
    if place.is_file():
        return {place.name: place}
    found: dict[str, Path] = {}
    for folder in (*(place / network for network in _NETWORKS), place):
        files = sorted(folder.glob("*.safetensors"))
        plain = [file for file in files if _VARIANT not in file.name]
        if folder != place or not found:  # beside networks in folders, a file that holds all of it again isn't read
            found |= {str(file.relative_to(place)): file for file in plain or files}
    return found
