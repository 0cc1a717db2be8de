"""Reading a LoRA file: safetensors only, checked in full against the modules it is for before any weight is touched.

diffusers renames the blocks of kohya's files. The rest is done here: an alpha is folded into its layer first, because
diffusers' guess of mixed alphas and of partly covered text encoders can miss.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import torch
from diffusers.loaders import StableDiffusionXLLoraLoaderMixin
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from torch import nn

from pipelines.contract import LoraUse
from pipelines.errors import GenerationError

UNET: Final = "unet"
Tensors: TypeAlias = dict[str, torch.Tensor]

_PART = re.compile(
    r"^(?P<component>unet|text_encoder|text_encoder_2)\.(?P<path>.+?)"
    r"\.(?:lora|lora_linear_layer)(?:_(?P<peft>[AB])|\.(?P<kohya>down|up))\.weight$"
)
_OLD_PROJECTION = re.compile(r"\.to_(q|k|v|out)_lora\.")
_KOHYA_UNIT = re.compile(r"^(lora_(?:unet|te|te1|te2)_\w+)\.lora_up\.weight$")
_UNSUPPORTED: Final = ("dora_scale", "lora_magnitude_vector", "hada_", "lokr_", "oft_", ".diff")


@dataclass(frozen=True, slots=True)
class LoraLayer:
    """What a layer's weight gains: up · down, alpha / rank folded in. down: (rank, …), up: (outputs, rank, …)."""

    down: torch.Tensor
    up: torch.Tensor

    def delta(self, device: torch.device, shape: torch.Size) -> torch.Tensor:
        """The gain at weight 1, in float32, of shape `shape`."""
        down, up = (part.to(device=device, dtype=torch.float32).flatten(1) for part in (self.down, self.up))
        return (up @ down).reshape(shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraFile:
    """A LoRA that fits: its layers by component (unet, text_encoder, text_encoder_2) and module path."""

    sha256: str
    layers: Mapping[str, Mapping[str, LoraLayer]]


def read_lora(use: LoraUse, components: Mapping[str, nn.Module], unet_config: Any) -> LoraFile:
    """Read and check the file of `use` against the components it will be fused into.

    Raises:
        GenerationError: the file is missing, no safetensors, of an unsupported kind, or made for another model.
    """
    try:
        content = Path(use.path).read_bytes()
        weights = load_safetensors(content)
    except (OSError, SafetensorError) as error:
        raise GenerationError(f"LoRA {use.name} can't be read: {_reason(error)}.") from error
    if unsupported := next((key for key in weights if any(mark in key for mark in _UNSUPPORTED)), None):
        raise GenerationError(f"LoRA {use.name} is of a kind that isn't supported: it holds {unsupported}.")
    try:
        renamed = _rename(weights, _peft_settings(content), unet_config)
        layers = _sort_into_layers(renamed, components)
    except (ValueError, KeyError, IndexError, AttributeError) as error:
        raise GenerationError(f"LoRA {use.name} doesn't fit this model: {_reason(error)}.") from error
    return LoraFile(sha256=hashlib.sha256(content).hexdigest(), layers=layers)


def _rename(weights: Tensors, peft_settings: dict[str, Any], unet_config: Any) -> Tensors:
    kohya = any(key.startswith("lora_") for key in weights)
    folded = _fold_kohya_alphas(weights) if kohya else weights
    # from a dict, so that no file is looked for; the class method only renames
    renamed: Tensors = StableDiffusionXLLoraLoaderMixin.lora_state_dict(folded, unet_config=unet_config)[0]
    return renamed if kohya else _fold_peft_alphas(renamed, peft_settings)


def _fold_kohya_alphas(weights: Tensors) -> Tensors:
    folded = {key: tensor for key, tensor in weights.items() if not key.endswith(".alpha")}
    for key in weights:
        if (unit := _KOHYA_UNIT.match(key)) and (alpha := weights.get(f"{unit[1]}.alpha")) is not None:
            folded[key] = weights[key].float() * (alpha.item() / weights[key].shape[1])
    return folded


def _fold_peft_alphas(weights: Tensors, settings: dict[str, Any]) -> Tensors:
    """Without settings, alpha equals the rank, which scales by one."""
    folded = dict(weights)
    for key, tensor in weights.items():
        if ".lora_B." not in key:
            continue
        component, path = key.split(".lora_B.")[0].split(".", 1)
        alphas: dict[str, float] = settings.get(f"{component}.alpha_pattern") or {}
        usual = settings.get(f"{component}.lora_alpha")
        alpha = next((value for name, value in alphas.items() if path.endswith(name.lstrip("^"))), usual)
        if alpha is not None:
            rank = tensor.shape[1]
            rank_stabilised = settings.get(f"{component}.use_rslora", False)
            folded[key] = tensor.float() * (alpha / (rank**0.5 if rank_stabilised else rank))
    return folded


def _peft_settings(content: bytes) -> dict[str, Any]:
    """The PEFT settings that diffusers keeps in the file's header, flat under `component.`; often there are none."""
    size = int.from_bytes(content[:8], "little")
    metadata: dict[str, str] = json.loads(content[8 : 8 + size]).get("__metadata__") or {}
    settings: dict[str, Any] = json.loads(metadata.get("lora_adapter_metadata", "{}"))
    return settings


def _sort_into_layers(renamed: Tensors, components: Mapping[str, nn.Module]) -> dict[str, dict[str, LoraLayer]]:
    parts: dict[tuple[str, str], dict[str, torch.Tensor]] = {}
    for key, tensor in renamed.items():
        component, path, part = _place(key)
        parts.setdefault((component, path), {})[part] = tensor
    if not parts:
        raise ValueError("it holds no weights")
    layers: dict[str, dict[str, LoraLayer]] = {name: {} for name in components}
    for (component, path), pair in parts.items():
        layer = LoraLayer(down=pair["down"], up=pair["up"])
        where = _resolve(components[component], path)
        _check_shape(layer, components[component].get_submodule(where), f"{component}.{path}")
        layers[component][where] = layer
    return layers


def _place(key: str) -> tuple[str, str, str]:
    """Split a key into component, module path, and "down" or "up"."""
    projections = {"q": "q_proj", "k": "k_proj", "v": "v_proj", "out": "out_proj"}
    if key.startswith(f"{UNET}."):
        projections = {"q": "to_q", "k": "to_k", "v": "to_v", "out": "to_out.0"}
    modern = _OLD_PROJECTION.sub(lambda old: f".{projections[old[1]]}.lora.", key.replace(".processor.", "."))
    match = _PART.match(modern)
    if match is None:
        raise ValueError(f"the key {key} is unknown")
    return match["component"], match["path"], match["kohya"] or {"A": "down", "B": "up"}[match["peft"]]


def _resolve(component: nn.Module, path: str) -> str:
    """Find the module a path means: recent transformers drop `text_model.` from CLIPTextModel, files keep it."""
    for candidate in (path, path.removeprefix("text_model."), f"text_model.{path}"):
        try:
            component.get_submodule(candidate)
        except AttributeError:
            continue
        return candidate
    raise ValueError(f"there is no layer {path}")


def _check_shape(layer: LoraLayer, module: nn.Module, name: str) -> None:
    weight = getattr(module, "weight", None)
    if not isinstance(module, nn.Linear | nn.Conv2d) or not isinstance(weight, torch.Tensor):
        raise ValueError(f"{name} is no layer that a LoRA can change")  # noqa: TRY004 - a wrong file, not a wrong type
    fits = (
        layer.down.ndim > 1
        and layer.up.ndim > 1
        and layer.up.shape[0] == weight.shape[0]
        and layer.up.flatten(1).shape[1] == layer.down.shape[0]
        and layer.down.flatten(1).shape[1] == weight.flatten(1).shape[1]
    )
    if not fits:
        raise ValueError(f"{name} has the shape of another model")
    if not (torch.isfinite(layer.down).all() and torch.isfinite(layer.up).all()):
        raise ValueError(f"{name} holds numbers that aren't finite")


def _reason(error: Exception) -> str:
    text = (error.strerror or "") if isinstance(error, OSError) else str(error)
    return (text or type(error).__name__).strip().split("\n", 1)[0].rstrip(".")
