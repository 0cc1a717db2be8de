"""The loaded weights and what the base wears: everything that generations share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from models.memory_plan import VAE, Memory
from pipelines.byte_cache import ByteCache
from pipelines.contract import LoraUse
from pipelines.decoding import decode
from pipelines.device import DeviceMemory, TorchMemory
from pipelines.embedding_cache import EmbeddingCache
from pipelines.encoding import PromptEncoder
from pipelines.loading import BASE, TEXT, Expert, Weights
from pipelines.lora import Copies, FusedModule, LoraSet, read_lora_set
from pipelines.lora_files import UNET, layers_of
from pipelines.lora_shelf import LoraShelf
from pipelines.out_of_memory import first_that_fits
from pipelines.placement import Offload, Placement, Resident
from pipelines.width import Width


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
        samples_per_forward: int = 1,
        *,
        cache: LoraCache | None = None,
        memory: DeviceMemory | None = None,
        placement: Placement | None = None,
    ) -> None:
        self.device = device
        self.weights = weights
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
        self.shelf = LoraShelf(layers_of(components), cache.file_bytes)
        keep_on = torch.device("cpu") if offloads or not cache.weight_bytes else None
        self._fused = {name: FusedModule(name, module, self._copies, keep_on) for name, module in components.items()}
        self._widths = {
            id(expert.unet): Width(expert.unet, samples_per_forward, device)
            for expert in (weights.base, weights.refiner)
            if expert is not None
        }
        self.embeddings = EmbeddingCache()
        self.memory: DeviceMemory = _ThriftyMemory(memory or TorchMemory(device), self._forget)
        self.base_prompts = self._prompt_encoder("base", weights.base)
        self.refiner_prompts = self._prompt_encoder("refiner", weights.refiner) if weights.refiner else None

    def width_of(self, expert: Expert) -> Width:
        """Return how many samples one of the expert's forwards holds."""
        return self._widths[id(expert.unet)]

    def read_loras(self, uses: Sequence[LoraUse]) -> LoraSet:
        """Read and check LoRAs for the base; changes no weight.

        Raises:
            GenerationError: one can't be used.
        """
        return read_lora_set(uses, self.shelf)

    def dress_unet(self, loras: LoraSet) -> None:
        """Give the base UNet, on the device, the weights of `loras`."""
        self._placement.bring(BASE)
        first_that_fits([lambda: self._fused[UNET].wear(loras)] * 2, self.memory)

    def dress_text_encoders(self, loras: LoraSet) -> None:
        """Give both text encoders of the base the weights of `loras`; the refiner may share the second."""
        self._placement.bring(TEXT)
        for name, fused in self._fused.items():
            if name != UNET:
                first_that_fits([lambda fused=fused: fused.wear(loras)] * 2, self.memory)

    def _prompt_encoder(self, name: str, expert: Expert) -> PromptEncoder:
        return PromptEncoder(name, expert, self.dress_text_encoders, self.embeddings)

    def decode(self, expert: Expert, latents: torch.Tensor, remark: Callable[[str], None]) -> bytes:
        """Decode latents as `decoding.decode` does.

        Raises:
            GenerationError: they can't be decoded.
        """
        self._placement.bring(VAE)
        return decode(expert.vae, latents, memory=self.memory, remark=remark)

    def _forget(self) -> bool:
        made_room = [fused.make_room() for fused in self._fused.values()]
        had_copies = len(self._copies) > 0
        self._copies.clear()
        self.shelf.clear()
        self.embeddings.clear()
        return had_copies or any(made_room)

    def _bring_by_itself(self, weights: Weights) -> None:
        """Let each module fetch its group before it runs, whoever calls it."""
        for group, modules in weights.groups().items():
            for module in modules:
                module.register_forward_pre_hook(self._bringing(group))

    def _bringing(self, group: str) -> Callable[[nn.Module, Any], None]:
        return lambda _module, _inputs: self._placement.bring(group)


class _ThriftyMemory:
    """A device's memory; where it runs short, what is kept only to save time goes too."""

    def __init__(self, memory: DeviceMemory, forget: Callable[[], bool]) -> None:
        self._memory = memory
        self._forget = forget

    def free_bytes(self) -> int | None:
        """Return how much could be allocated now."""
        return self._memory.free_bytes()

    def release(self) -> bool:
        """Forget what was kept, and give back what then nobody uses."""
        forgot = self._forget()
        self._memory.release()
        return forgot

    def in_use(self) -> tuple[int, int]:
        """Return the device's."""
        return self._memory.in_use()
