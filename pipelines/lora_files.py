"""Reading a LoRA file: checked in full against the layers it is for before any weight is touched.

What the file is and where its layers belong, its header decides (`models/lora_header.py`); here the tensors follow.
"""

import hashlib
import io
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from torch import nn
from torch.nn import functional

from models.lora_header import MOST_FILE_BYTES, Fit, Layers, LoraError, LoraUnit, check_fit, understand
from models.lora_keys import UNET, Part
from models.safetensors_header import parse_header
from pipelines.contract import LoraUse
from pipelines.errors import GenerationError

__all__ = ["UNET", "LoraFile", "LoraLayer", "layers_of", "read_lora"]

# what is all zeros has no direction, and stays all zeros
_NO_LENGTH: Final = torch.finfo(torch.float32).tiny
_CONVOLUTION: Final = 4  # dimensions of its weight
_SETTINGS: Final = "lora_adapter_metadata"
Settings: TypeAlias = Mapping[str, Any]


class Layer(Protocol):
    """What changes one layer's weight."""

    def gain(self, pristine: torch.Tensor, strength: float = 1.0) -> torch.Tensor:
        """Return what the weight gains at a strength, in float32, given the weight without any LoRA in float32."""
        ...


@dataclass(frozen=True, slots=True)
class LoraLayer:
    """What one layer's weight gains: scale · up · down, where scale is alpha by rank.

    down: (rank, inputs, …), up: (outputs, rank, …). `magnitude` makes it a DoRA layer: the length that each of the
    changed weight's rows, (outputs, 1), or columns, (1, inputs), then has.
    """

    down: torch.Tensor
    up: torch.Tensor
    scale: float = 1.0
    magnitude: torch.Tensor | None = None

    def gain(self, pristine: torch.Tensor, strength: float = 1.0) -> torch.Tensor:
        """Return what the weight gains at a strength, of the pristine weight's shape, in float32.

        DoRA as in https://arxiv.org/abs/2402.09353; a strength then goes the straight way from the pristine weight.
        """
        if self.magnitude is None:
            return self._product(pristine) * (self.scale * strength)
        changed = pristine + self._product(pristine) * self.scale
        magnitude = self.magnitude.to(device=pristine.device, dtype=torch.float32)
        kept = 0 if magnitude.shape[0] == pristine.shape[0] else 1
        others = [axis for axis in range(pristine.ndim) if axis != kept]
        length = torch.linalg.vector_norm(changed, dim=others, keepdim=True).clamp_min(_NO_LENGTH)
        return (changed * (magnitude.reshape(length.shape) / length) - pristine) * strength

    def _product(self, pristine: torch.Tensor) -> torch.Tensor:
        """Return up · down, by the operations that peft merges with: another order of sums would round otherwise."""
        down, up = (part.to(device=pristine.device, dtype=torch.float32) for part in (self.down, self.up))
        if up.ndim == _CONVOLUTION and down.shape[2:] != (1, 1):
            return functional.conv2d(down.transpose(0, 1), up).transpose(0, 1).reshape(pristine.shape)
        return (up.flatten(1) @ down.flatten(1)).reshape(pristine.shape)

    @property
    def nbytes(self) -> int:
        """How much memory it takes."""
        return sum(part.nbytes for part in (self.down, self.up, self.magnitude) if part is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraFile:
    """A LoRA that fits: its layers by component (unet, text_encoder, text_encoder_2) and module path.

    `remark` says for a person which part of it was left out.
    """

    sha256: str
    layers: Mapping[str, Mapping[str, Layer]]
    remark: str | None = None
    nbytes: int = 0


def layers_of(components: Mapping[str, nn.Module]) -> Layers:
    """Return the layers that a LoRA can change, by component and module path."""
    return {
        name: {
            path: tuple(layer.weight.shape)
            for path, layer in component.named_modules()
            if isinstance(layer, nn.Linear | nn.Conv2d)
        }
        for name, component in components.items()
    }


def read_lora(use: LoraUse, layers: Layers) -> LoraFile:
    """Read and check the file of `use` against the layers it will be fused into.

    Raises:
        GenerationError: the file is missing, no safetensors, of an unsupported kind, or made for another model.
    """
    try:
        return _read(use, layers)
    except (OSError, SafetensorError, LoraError, ValueError) as error:
        raise GenerationError(f"LoRA {use.name} can't be used: {_reason(error)}.") from error


def _read(use: LoraUse, layers: Layers) -> LoraFile:
    path = Path(use.path)
    if (size := path.stat().st_size) > MOST_FILE_BYTES:
        raise LoraError(f"it takes {size} bytes, and a LoRA at most {MOST_FILE_BYTES}")
    content = path.read_bytes()
    facts = understand(parse_header(io.BytesIO(content), len(content)))
    fit = check_fit(facts, layers)
    settings = _peft_settings(facts.metadata)
    tensors = load_safetensors(content)
    placed: dict[str, dict[str, Layer]] = {name: {} for name in layers}
    nbytes = 0
    for (component, where), unit in fit.placed.items():
        layer = _layer(unit, tensors, layers[component][where], _alpha_by_settings(unit, where, settings))
        placed[component][where] = layer
        nbytes += layer.nbytes
    return LoraFile(
        sha256=hashlib.sha256(content).hexdigest(), layers=placed, remark=_remark(use.name, fit), nbytes=nbytes
    )


def _layer(
    unit: LoraUnit, tensors: Mapping[str, torch.Tensor], shape: tuple[int, ...], settings_scale: float
) -> LoraLayer:
    down, up = tensors[unit.tensors[Part.DOWN]], tensors[unit.tensors[Part.UP]]
    alpha = unit.tensors.get(Part.ALPHA)
    scale = tensors[alpha].float().item() / unit.rank if alpha else settings_scale
    dora = unit.tensors.get(Part.DORA)
    magnitude = _magnitude(tensors[dora], shape, unit.name) if dora else None
    parts = [down, up] if magnitude is None else [down, up, magnitude]
    if not math.isfinite(scale) or not all(torch.isfinite(part).all() for part in parts):
        raise LoraError(f"its layer {unit.name} holds numbers that aren't finite")
    return LoraLayer(down=down, up=up, scale=scale, magnitude=magnitude)


def _magnitude(tensor: torch.Tensor, shape: tuple[int, ...], name: str) -> torch.Tensor:
    """Bring a magnitude to (outputs, 1) or (1, inputs): PEFT writes (outputs,), LyCORIS either, in as many axes."""
    outputs, inputs = shape[:2]
    if tensor.numel() == outputs and tensor.shape[0] == outputs:
        return tensor.reshape(outputs, 1)
    if tensor.numel() == inputs and tensor.shape[0] == 1:
        return tensor.reshape(1, inputs)
    raise LoraError(f"the magnitude of its layer {name} has the shape of another model")


def _peft_settings(metadata: Mapping[str, str]) -> Settings:
    """The PEFT settings that diffusers keeps in the file's header, flat under `component.`; often there are none."""
    try:
        settings: Any = json.loads(metadata.get(_SETTINGS, "{}"))
    except (ValueError, RecursionError) as error:
        raise LoraError(f"its {_SETTINGS} is no JSON") from error
    return settings if isinstance(settings, dict) else {}


def _alpha_by_settings(unit: LoraUnit, where: str, settings: Settings) -> float:
    """Without settings, alpha equals the rank, which scales by one."""
    component = unit.component
    alphas = settings.get(f"{component}.alpha_pattern") or {}
    usual = settings.get(f"{component}.lora_alpha")
    alpha = next((value for name, value in alphas.items() if where.endswith(name.lstrip("^"))), usual)
    if alpha is None:
        return 1.0
    rank_stabilised = settings.get(f"{component}.use_rslora", False)
    return float(alpha) / (unit.rank**0.5 if rank_stabilised else unit.rank)


def _remark(name: str, fit: Fit) -> str | None:
    left_out = fit.total - len(fit.placed)
    if not left_out:
        return None
    were = "was" if left_out == 1 else "were"
    return f"LoRA {name}: {fit.describe()} this model; {left_out} {were} left out."


def _reason(error: Exception) -> str:
    text = (error.strerror or "") if isinstance(error, OSError) else str(error)
    return (text or type(error).__name__).strip().split("\n", 1)[0].rstrip(".")
