"""How many numbers the parts of an expert hold, told from headers alone."""

import math
from pathlib import Path

from models.safetensors_header import SUFFIX, read_header
from models.single_parts import names_of_part
from models.weight_files import weight_files


def parameters_of(source: Path, part: str) -> int:
    """Return how many numbers a part has (unet, vae, text_encoder, text_encoder_2), in its folder or a single file.

    Raises:
        HeaderError: a file is broken.
    """
    if source.suffix == SUFFIX:
        tensors = read_header(source).tensors
        return sum(math.prod(tensors[name].shape) for name in names_of_part(list(tensors), part))
    headers = (read_header(file) for file in weight_files(source).values())
    return sum(math.prod(tensor.shape) for header in headers for tensor in header.tensors.values())
