"""Reading single-file checkpoints in Stability's original layout: diffusers renames the tensors, the rest is done here.

diffusers' own `from_single_file` would fetch configurations it isn't given, and leaves parameters that a file lacks
without values; here every tensor must be there, in its shape.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

import torch
from accelerate import init_empty_weights
from diffusers.loaders.single_file_utils import (
    convert_ldm_clip_checkpoint,
    convert_ldm_unet_checkpoint,
    convert_ldm_vae_checkpoint,
    convert_open_clip_checkpoint,
)
from safetensors import safe_open
from torch import nn

from models.single_parts import REFINER_TEXT, TEXT_2, names_of_part

Tensors: TypeAlias = dict[str, torch.Tensor]

# A buffer that old files hold, and what only CLIP's training needs.
_NOT_NEEDED: Final = ("position_ids", "logit_scale")


def read_part(kind: Any, part: str, file: Path, config: Path, dtype: torch.dtype) -> Any:
    """Build a `kind` from the configuration in that folder, with the file's tensors in `dtype`, on the CPU.

    Raises:
        ValueError: the file lacks tensors, or has them in other shapes than the configuration asks for.
    """
    with init_empty_weights():
        module = _empty(kind, config)
    tensors = _renamed(part, _read(file, part), module)
    bare = not any(name.startswith("text_model.") for name in module.state_dict())
    named = {name.removeprefix("text_model.") if bare else name: tensor for name, tensor in tensors.items()}
    wanted = module.state_dict()
    kept = {name: tensor for name, tensor in named.items() if not name.endswith(_NOT_NEEDED)}
    _check(wanted, kept, f"{file.name}: {part}")
    # Copies: the file may change or shrink, and LoRAs are fused into these very tensors.
    module.load_state_dict({name: tensor.to(dtype, copy=True) for name, tensor in kept.items()}, assign=True)
    return module


def _empty(kind: Any, config: Path) -> Any:
    if hasattr(kind, "load_config"):
        return kind.from_config(kind.load_config(config, local_files_only=True))
    return kind(kind.config_class.from_pretrained(config, local_files_only=True))


def _read(file: Path, part: str) -> Tensors:
    with safe_open(file, framework="pt") as tensors:
        return {name: tensors.get_tensor(name) for name in names_of_part(list(tensors.keys()), part)}


def _renamed(part: str, tensors: Tensors, module: nn.Module) -> Tensors:
    config = getattr(module, "config", {})
    match part:
        case "unet":
            return convert_ldm_unet_checkpoint(tensors, config)
        case "vae":
            if any(".down_blocks." in name or ".up_blocks." in name for name in tensors):
                return tensors  # a VAE alone, in diffusers' own names
            return convert_ldm_vae_checkpoint(tensors, config)
        case "text_encoder":
            return convert_ldm_clip_checkpoint(tensors)
        case _:
            prefix = TEXT_2 if any(name.startswith(TEXT_2) for name in tensors) else REFINER_TEXT
            return convert_open_clip_checkpoint(module, tensors, prefix=prefix)


def _check(wanted: Mapping[str, torch.Tensor], given: Mapping[str, torch.Tensor], what: str) -> None:
    if missing := sorted(set(wanted) - set(given)):
        raise ValueError(f"{what} lacks {len(missing)} of {len(wanted)} tensors, {missing[0]} among them")
    if unknown := sorted(set(given) - set(wanted)):
        raise ValueError(f"{what} has {len(unknown)} tensors too many, {unknown[0]} among them")
    for name, tensor in given.items():
        if tensor.shape != wanted[name].shape:
            asked = tuple(wanted[name].shape)
            raise ValueError(f"{what} has {name} as {tuple(tensor.shape)}, its configuration asks for {asked}")
