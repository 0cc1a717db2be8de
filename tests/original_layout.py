"""Folders in diffusers' layout written as single files in Stability's original layout: the way back of a conversion."""

import json
import re
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

Tensors = dict[str, torch.Tensor]

_UNET = "model.diffusion_model."
_HEAD = {
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_in": "input_blocks.0.0",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}
_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
_OPEN_CLIP = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}


def write_single_file(folder: Path, file: Path, *, more: Tensors | None = None) -> Path:
    """Write base or refiner, whichever lies in the folder, into one file."""
    layers = json.loads((folder / "unet" / "config.json").read_text())["layers_per_block"]
    tensors = original_unet(_tensors(folder / "unet"), layers)
    tensors |= {f"first_stage_model.{name}": tensor for name, tensor in original_vae(folder / "vae").items()}
    second = 0
    if (folder / "text_encoder").is_dir():
        second = 1
        tensors |= _clip(_tensors(folder / "text_encoder"))
    tensors |= _open_clip(_tensors(folder / "text_encoder_2"), f"conditioner.embedders.{second}.model.")
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in (tensors | (more or {})).items()}, file)
    return file


def original_unet(tensors: Tensors, layers: int) -> Tensors:
    """Return a UNet's tensors under their original names; `layers` are those of a block."""
    attending = {match[1] for name in tensors if (match := re.match(r"(up_blocks\.\d)\.attentions\.", name))}
    return {_UNET + _unet_name(name, layers, attending): tensor for name, tensor in tensors.items()}


def original_vae(folder: Path) -> Tensors:
    """Return a VAE's tensors under their original names."""
    tensors = _tensors(folder)
    blocks = 1 + max(int(match[1]) for name in tensors if (match := re.match(r"decoder\.up_blocks\.(\d)", name)))
    renamed = {_vae_name(name, blocks): tensor for name, tensor in tensors.items()}
    # Attention was made of 1 × 1 convolutions.
    convolved = re.compile(r"\.attn_1\.(q|k|v|proj_out)\.weight$")
    return {name: t[:, :, None, None] if convolved.search(name) else t for name, t in renamed.items()}


def _tensors(folder: Path) -> Tensors:
    tensors: Tensors = {}
    for file in sorted(folder.glob("*.safetensors")):
        tensors |= load_file(file)
    return tensors


def _unet_name(name: str, layers: int, attending: set[str]) -> str:
    stem, kind = name.rsplit(".", 1)
    if stem in _HEAD:
        return f"{_HEAD[stem]}.{kind}"
    if match := re.fullmatch(r"mid_block\.(resnets|attentions)\.(\d)\.(.*)", name):
        at = 1 if match[1] == "attentions" else 2 * int(match[2])
        return f"middle_block.{at}.{_inside(match[3], match[1])}"
    match = re.fullmatch(r"(down|up)_blocks\.(\d)\.(resnets|attentions|downsamplers|upsamplers)\.(\d)\.(.*)", name)
    assert match, name
    first, what, rest = (layers + 1) * int(match[2]), match[3], match[5]
    if what == "upsamplers":
        return f"output_blocks.{first + layers}.{2 if f'up_blocks.{match[2]}' in attending else 1}.{rest}"
    if what == "downsamplers":
        return f"input_blocks.{first + layers + 1}.0.op.{rest.removeprefix('conv.')}"
    at = first + int(match[4]) + (1 if match[1] == "down" else 0)
    half = "input" if match[1] == "down" else "output"
    return f"{half}_blocks.{at}.{0 if what == 'resnets' else 1}.{_inside(rest, what)}"


def _inside(name: str, what: str) -> str:
    return _replaced(name, _RESNET) if what == "resnets" else name


def _vae_name(name: str, blocks: int) -> str:
    half, *_ = name.split(".")
    if match := re.fullmatch(r"(encoder|decoder)\.(?:down|up)_blocks\.(\d)\.(resnets|\w+samplers)\.(\d)\.(.*)", name):
        block = int(match[2]) if half == "encoder" else blocks - 1 - int(match[2])
        way = "down" if half == "encoder" else "up"
        if match[3] != "resnets":
            return f"{half}.{way}.{block}.{way}sample.{match[5]}"
        return f"{half}.{way}.{block}.block.{match[4]}.{match[5].replace('conv_shortcut', 'nin_shortcut')}"
    if match := re.fullmatch(r"(?:encoder|decoder)\.mid_block\.resnets\.(\d)\.(.*)", name):
        return f"{half}.mid.block_{int(match[1]) + 1}.{match[2]}"
    if match := re.fullmatch(r"(?:encoder|decoder)\.mid_block\.attentions\.0\.(.*)", name):
        return f"{half}.mid.attn_1.{_replaced(match[1], _ATTENTION)}"
    return name.replace("conv_norm_out", "norm_out")


def _clip(tensors: Tensors) -> Tensors:
    prefix = "conditioner.embedders.0.transformer.text_model."
    return {prefix + name.removeprefix("text_model."): tensor for name, tensor in tensors.items()}


def _open_clip(tensors: Tensors, prefix: str) -> Tensors:
    tensors = {name.removeprefix("text_model."): tensor for name, tensor in tensors.items()}
    renamed: Tensors = {
        prefix + "token_embedding.weight": tensors.pop("embeddings.token_embedding.weight"),
        prefix + "positional_embedding": tensors.pop("embeddings.position_embedding.weight"),
        prefix + "ln_final.weight": tensors.pop("final_layer_norm.weight"),
        prefix + "ln_final.bias": tensors.pop("final_layer_norm.bias"),
        prefix + "text_projection": tensors.pop("text_projection.weight").T,
        prefix + "logit_scale": torch.tensor(4.6),
    }
    for name in list(tensors):
        if match := re.fullmatch(r"encoder\.layers\.(\d+)\.self_attn\.q_proj\.(weight|bias)", name):
            parts = [tensors.pop(name.replace("q_proj", f"{letter}_proj")) for letter in "qkv"]
            renamed[f"{prefix}transformer.resblocks.{match[1]}.attn.in_proj_{match[2]}"] = torch.cat(parts)
    for name, tensor in tensors.items():
        renamed[prefix + "transformer.resblocks." + _replaced(name.removeprefix("encoder.layers."), _OPEN_CLIP)] = (
            tensor
        )
    return renamed


def _replaced(name: str, words: dict[str, str]) -> str:
    for word, other in words.items():
        name = re.sub(rf"(^|\.){re.escape(word)}(?=\.)", rf"\g<1>{other}", name)
    return name
