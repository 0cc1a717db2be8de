"""The loaded weights and what the base wears: everything that generations share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import nn

from models.memory_plan import VAE, Memory
from pipelines.byte_cache import ByteCache
from pipelines.contract import LoraUse
from pipelines.decoding import decode
from pipelines.device import DeviceMemory, TorchMemory
from pipelines.loading import BASE, TEXT, Expert, Weights
from pipelines.lora import Copies, FusedModule, LoraSet, read_lora_set
from pipelines.lora_files import UNET, layers_of
from pipelines.lora_shelf import LoraShelf
from pipelines.placement import Offload, Placement, Resident

_GIB: Final = 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraCache:
    """How many bytes of LoRA files (in host memory) and of finished weights (on the device) are kept for next time."""

    file_bytes: int = 0
    weight_bytes: int = 0


class Studio:
    """Base and refiner on their device. Before a base module runs, it is dressed for the generation at hand."""

    def __init__(
        self,
        weights: Weights,
        device: torch.device,
        *,
        cache: LoraCache | None = None,
        memory: DeviceMemory | None = None,
        placement: Placement | None = None,
    ) -> None:
        self.device = device
        self.memory: DeviceMemory = memory or TorchMemory(device)
        self.base: Expert = weights.base
        self.refiner: Expert | None = weights.refiner
        cache = cache or LoraCache()
        offloads = weights.memory is Memory.OFFLOAD
        self._placement = placement or (Offload(device, weights.groups()) if offloads else Resident())
        if offloads:
            self._bring_by_itself(weights)
        encoders = [stage.text_encoder for stage in weights.base.text_stages]
        names = ["text_encoder", "text_encoder_2"]
        components: dict[str, nn.Module] = {UNET: weights.base.unet, **dict(zip(names, encoders, strict=True))}
        self._copies = ByteCache[Copies](0 if offloads else cache.weight_bytes)
        self._shelf = LoraShelf(layers_of(components), cache.file_bytes)
        keep_on = torch.device("cpu") if offloads or not cache.weight_bytes else None
        self._fused = {name: FusedModule(name, module, self._copies, keep_on) for name, module in components.items()}

    def read_loras(self, uses: Sequence[LoraUse]) -> LoraSet:
        """Read and check LoRAs for the base; changes no weight.

        Raises:
            GenerationError: one can't be used.
        """
        return read_lora_set(uses, self._shelf)

    def dress_unet(self, loras: LoraSet) -> None:
        """Give the base UNet, on the device, the weights of `loras`."""
        self._placement.bring(BASE)
        self._fused[UNET].wear(loras)

    def dress_text_encoders(self, loras: LoraSet) -> None:
        """Give both text encoders of the base the weights of `loras`; the refiner may share the second."""
        self._placement.bring(TEXT)
        for name, fused in self._fused.items():
            if name != UNET:
                fused.wear(loras)

    def decode(self, expert: Expert, latents: torch.Tensor, remark: Callable[[str], None]) -> bytes:
        """Decode latents as `decoding.decode` does.

        Raises:
            GenerationError: they can't be decoded.
        """
        self._placement.bring(VAE)
        return decode(expert.vae, latents, memory=self.memory, remark=remark)

    def forget_copies(self) -> None:
        """Let go of what is kept only to save time; for when memory has run out."""
        self._copies.clear()
        self._shelf.clear()

    def _bring_by_itself(self, weights: Weights) -> None:
        """Let each module fetch its group before it runs, whoever calls it."""
        for group, modules in weights.groups().items():
            for module in modules:
                module.register_forward_pre_hook(self._bringing(group))

    def _bringing(self, group: str) -> Callable[[nn.Module, Any], None]:
        return lambda _module, _inputs: self._placement.bring(group)
