"""LoRA sets, fused into the weights and taken out again without a trace.

A set is always applied the same way: names sorted, every layer computed in float32 from its pristine weight and rounded
once. Pristine weights are copies made before a layer was first touched, so a later run without LoRA is bit-equal to one
in a fresh process.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import torch
from torch import nn

from pipelines.contract import LoraUse
from pipelines.errors import GenerationError
from pipelines.lora_files import LoraFile, read_lora

LoraKey: TypeAlias = tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class LoraSet:
    """LoRAs in the order they are applied, each with its weight; none of weight 0 among them."""

    files: tuple[tuple[LoraFile, float], ...] = ()

    @property
    def key(self) -> LoraKey:
        """Two sets with one key change the weights alike."""
        return tuple((file.sha256, weight) for file, weight in self.files)


NO_LORA: Final = LoraSet()


def read_lora_set(uses: Sequence[LoraUse], components: Mapping[str, nn.Module], unet_config: Any) -> LoraSet:
    """Read all files of a request, sorted by name. A LoRA of weight 0 is checked and left out.

    Raises:
        GenerationError: a file can't be used; nothing has been changed.
    """
    for use in uses:
        if not abs(use.weight) < float("inf"):
            raise GenerationError(f"LoRA {use.name} has the weight {use.weight}, which is no finite number.")
    ordered = sorted(uses, key=lambda use: (use.name, use.path, use.weight))
    files = [(read_lora(use, components, unet_config), use.weight) for use in ordered]
    return LoraSet(tuple((file, weight) for file, weight in files if weight != 0))


class FusedModule:
    """A component of the base (unet, text_encoder, text_encoder_2) that can wear a LoRA set."""

    def __init__(self, component: str, module: nn.Module) -> None:
        self._component = component
        self._module = module
        self._pristine: dict[str, torch.Tensor] = {}
        self._changed: set[str] = set()
        self._worn: LoraKey | None = NO_LORA.key

    @torch.no_grad()
    def wear(self, loras: LoraSet) -> None:
        """Make the module's weights those of `loras`, whatever it wore; cheap when it wears them already."""
        if self._worn == loras.key:
            return
        self._worn = None  # until all is done: after a failure on the way the next call starts from pristine weights
        self._restore()
        for path in sorted({path for file, _ in loras.files for path in self._layers(file)}):
            self._fuse(path, loras)
        self._worn = loras.key

    def _layers(self, file: LoraFile) -> Mapping[str, Any]:
        return file.layers.get(self._component, {})

    def _restore(self) -> None:
        for path in self._changed:
            self._weight(path).copy_(self._pristine[path])
        self._changed.clear()

    def _fuse(self, path: str, loras: LoraSet) -> None:
        weight = self._weight(path)
        if path not in self._pristine:
            # host memory: the device has better uses for gigabytes
            self._pristine[path] = weight.to("cpu", copy=True)
        fused = weight.float()
        for file, strength in loras.files:
            if (layer := self._layers(file).get(path)) is not None:
                fused = fused + layer.delta(weight.device, weight.shape) * strength
        self._changed.add(path)
        weight.copy_(fused)

    def _weight(self, path: str) -> torch.Tensor:
        return self._module.get_submodule(path).get_parameter("weight")
