"""The loaded weights and what the base wears: everything that generations share."""

from collections.abc import Sequence

import torch

from pipelines.contract import LoraUse
from pipelines.embedding_cache import EmbeddingCache
from pipelines.encoding import PromptEncoder
from pipelines.loading import Expert, Weights
from pipelines.lora import FusedModule, LoraSet, read_lora_set
from pipelines.lora_files import UNET
from pipelines.width import Width


class Studio:
    """Base and refiner on their device. Before a base module runs, it is dressed for the generation at hand."""

    def __init__(self, weights: Weights, device: torch.device, samples_per_forward: int = 1) -> None:
        self.device = device
        self.base: Expert = weights.base
        self.refiner: Expert | None = weights.refiner
        encoders = [stage.text_encoder for stage in weights.base.text_stages]
        names = ["text_encoder", "text_encoder_2"]
        self._components = {UNET: weights.base.unet, **dict(zip(names, encoders, strict=True))}
        self._fused = {name: FusedModule(name, module) for name, module in self._components.items()}
        self._widths = {
            id(expert.unet): Width(expert.unet, samples_per_forward)
            for expert in (weights.base, weights.refiner)
            if expert is not None
        }
        self.embeddings = EmbeddingCache()
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
        return read_lora_set(uses, self._components, self.base.unet.config)

    def dress_unet(self, loras: LoraSet) -> None:
        """Give the base UNet the weights of `loras`."""
        self._fused[UNET].wear(loras)

    def dress_text_encoders(self, loras: LoraSet) -> None:
        """Give both text encoders of the base the weights of `loras`; the refiner may share the second."""
        for name, fused in self._fused.items():
            if name != UNET:
                fused.wear(loras)

    def _prompt_encoder(self, name: str, expert: Expert) -> PromptEncoder:
        return PromptEncoder(name, expert, self.dress_text_encoders, self.embeddings)
