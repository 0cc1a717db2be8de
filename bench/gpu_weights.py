"""SDXL with random weights, full-size or tiny, made where it runs: nothing is downloaded and nothing written."""

import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import save_file
from torch import nn
from transformers import CLIPTextConfig, CLIPTokenizer

from models.lora_keys import UNET
from pipelines.expert_files import ExpertSource
from pipelines.lora_files import layers_of

Configs = Mapping[str, Mapping[str, Any]]

_FULL: Final = Path(__file__).parent / "sdxl" / "sdxl-1.0.json"
_TINY: Final[Configs] = {
    "base_unet": {
        "block_out_channels": [16, 32, 32],
        "attention_head_dim": [2, 4, 4],
        "layers_per_block": 1,
        "norm_num_groups": 8,
        "transformer_layers_per_block": 1,
        "cross_attention_dim": 48,
        "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": 6 * 8 + 32,
    },
    "refiner_unet": {
        "block_out_channels": [16, 32, 32, 32],
        "attention_head_dim": [2, 4, 4, 4],
        "layers_per_block": 1,
        "norm_num_groups": 8,
        "transformer_layers_per_block": 1,
        "cross_attention_dim": 32,
        "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": 5 * 8 + 32,
    },
    "vae": {"block_out_channels": [8, 8, 8, 8], "layers_per_block": 1, "norm_num_groups": 4},
    "text_encoder": {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2},
    "text_encoder_2": {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "projection_dim": 32,
    },
}


def read_configs(*, tiny: bool) -> Configs:
    """Return SDXL 1.0's configurations, or those of the same architecture with next to no channels."""
    full: Configs = json.loads(_FULL.read_text())
    return {name: {**config, **_TINY.get(name, {})} for name, config in full.items()} if tiny else full


class RandomSource:
    """An expert of random weights; `expert` is base or refiner, which share text encoder 2 and VAE."""

    def __init__(self, expert: str, configs: Configs, device: torch.device) -> None:
        self._expert = expert
        self._configs = configs
        self._device = device

    @property
    def index(self) -> Mapping[str, Any]:
        """What `model_index.json` would say of the expert."""
        return {"requires_aesthetics_score": self._expert == "refiner"}

    @property
    def scheduler_config(self) -> Mapping[str, Any]:
        """SDXL's scheduler configuration."""
        return self._configs["scheduler"]

    def has(self, part: str) -> bool:
        """The refiner has no first text encoder."""
        return self._expert == "base" or part != "text_encoder"

    def config_of(self, part: str) -> Mapping[str, Any]:
        """Return a part's configuration."""
        return self._configs[f"{self._expert}_unet" if part == "unet" else part]

    def tokenizer(self, part: str) -> CLIPTokenizer:
        """Load the miniature's tokenizer: its ids are few, and among SDXL's."""
        folder = resources.files("models").joinpath("miniature", "base", part)
        return CLIPTokenizer.from_pretrained(str(folder), local_files_only=True)

    def parameters_of(self, part: str) -> int:
        """Count on the meta device."""
        with torch.device("meta"):
            return sum(value.numel() for value in self._build(part, _kind_of(part)).parameters())

    def read(self, kind: Any, part: str, dtype: torch.dtype) -> nn.Module:
        """Make a part with its usual random beginnings, the same for every call."""
        torch.manual_seed(0)
        with self._device:
            torch.set_default_dtype(dtype)
            try:
                return self._build(part, kind)
            finally:
                torch.set_default_dtype(torch.float32)

    def has_same(self, part: str, other: ExpertSource) -> bool | None:
        """All but the UNet is the same in both."""
        return part != "unet" and isinstance(other, RandomSource)

    def _build(self, part: str, kind: Any) -> nn.Module:
        config = dict(self.config_of(part))
        return kind(CLIPTextConfig(**config)) if part.startswith("text_encoder") else kind.from_config(config)


def write_lora(folder: Path, name: str, components: Mapping[str, nn.Module], rank: int, seed: int) -> Path:
    """Write a LoRA of random numbers for all of the transformers' linear layers; return its file."""
    generator = torch.Generator().manual_seed(seed)
    tensors: dict[str, torch.Tensor] = {}
    for path, shape in layers_of(components)[UNET].items():
        if ".attentions." in path:
            outputs, inputs = shape[:2]
            tensors[f"unet.{path}.lora_A.weight"] = torch.randn(rank, inputs, generator=generator).half() / 64
            tensors[f"unet.{path}.lora_B.weight"] = torch.randn(outputs, rank, generator=generator).half() / 64
    file = folder / f"{name}.safetensors"
    save_file(tensors, file)
    return file


def _kind_of(part: str) -> Any:
    from diffusers import AutoencoderKL, UNet2DConditionModel  # noqa: PLC0415 - slow to import, rarely needed
    from transformers import CLIPTextModel, CLIPTextModelWithProjection  # noqa: PLC0415

    kinds = {"unet": UNet2DConditionModel, "vae": AutoencoderKL, "text_encoder": CLIPTextModel}
    return kinds.get(part, CLIPTextModelWithProjection)
