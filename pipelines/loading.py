"""Weights from local files: nothing is ever fetched, and nothing but safetensors is read."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from pipelines.expert_files import ExpertFiles, same_tensors
from pipelines.noise_schedulers import read_scheduler_config

Report: TypeAlias = Callable[[str, float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class TextStage:
    """One text encoder and the tokenizer it was trained with."""

    tokenizer: CLIPTokenizer
    text_encoder: CLIPTextModel | CLIPTextModelWithProjection


@dataclass(frozen=True, slots=True, kw_only=True)
class Expert:
    """SDXL's base or refiner, ready to run. The last text stage is the one whose pooled output conditions the UNet."""

    text_stages: tuple[TextStage, ...]
    unet: UNet2DConditionModel
    vae: AutoencoderKL
    scheduler_config: Mapping[str, Any]
    requires_aesthetics_score: bool

    @property
    def vae_scale_factor(self) -> int:
        """Pixels per latent, along each side."""
        return 2 ** (len(self.vae.config["block_out_channels"]) - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Everything that is loaded. Where base and refiner hold the same file, they hold the same module."""

    base: Expert
    refiner: Expert | None


def unet_dtype(device: torch.device) -> torch.dtype:
    """float16 where the device computes it fast, float32 elsewhere; the text encoders follow the UNet."""
    return torch.float16 if device.type == "cuda" else torch.float32


def load_weights(
    base: Path | ExpertFiles, refiner: Path | ExpertFiles | None, device: torch.device, report: Report
) -> Weights:
    """Load both experts onto `device`, reporting (what, fraction done by bytes).

    Raises:
        OSError, ValueError: they are no SDXL in diffusers' layout with safetensors, nor in single files.
    """
    experts = [ExpertFiles.of(expert) for expert in (base, refiner) if expert is not None]
    loader = _Loader(device, sum(expert.size for expert in experts), report)
    base_expert = loader.expert(experts[0], "base", None, None)
    if refiner is None:
        return Weights(base=base_expert, refiner=None)
    return Weights(base=base_expert, refiner=loader.expert(experts[1], "refiner", experts[0], base_expert))


class _Loader:
    """Loads components one by one and knows how far it is."""

    def __init__(self, device: torch.device, total_bytes: int, report: Report) -> None:
        self._device = device
        self._total_bytes = total_bytes
        self._done_bytes = 0
        self._report = report

    def expert(self, files: ExpertFiles, name: str, twin_files: ExpertFiles | None, twin: Expert | None) -> Expert:
        """Load an expert, sharing with its twin what is the same."""
        index: dict[str, Any] = json.loads((files.folder / "model_index.json").read_text(encoding="utf-8"))
        dtype = unet_dtype(self._device)
        stages: list[TextStage] = []
        if (files.folder / "text_encoder").is_dir():
            encoder = self._module(CLIPTextModel, files, "text_encoder", dtype, name)
            stages.append(TextStage(tokenizer=_tokenizer(files.folder / "tokenizer"), text_encoder=encoder))
        its = _Twin(twin_files, twin.text_stages[-1].text_encoder) if twin_files and twin else None
        encoder_2 = self._shared(CLIPTextModelWithProjection, files, "text_encoder_2", dtype, name, its)
        stages.append(TextStage(tokenizer=_tokenizer(files.folder / "tokenizer_2"), text_encoder=encoder_2))
        its = _Twin(twin_files, twin.vae) if twin_files and twin else None
        return Expert(
            text_stages=tuple(stages),
            vae=self._shared(AutoencoderKL, files, "vae", self._vae_dtype(files, dtype), name, its),
            unet=self._module(UNet2DConditionModel, files, "unet", dtype, name),
            scheduler_config=read_scheduler_config(files.folder),
            requires_aesthetics_score=bool(index.get("requires_aesthetics_score", False)),
        )

    def _shared(
        self, kind: Any, files: ExpertFiles, part: str, dtype: torch.dtype, expert: str, its: "_Twin | None"
    ) -> Any:
        same = its is not None and files.has_same(part, its.files)
        if its is not None and same:
            self._done_bytes += files.size_of(part)
            return its.module
        module = self._module(kind, files, part, dtype, expert)
        return its.module if its is not None and same is None and same_tensors(module, its.module) else module

    def _vae_dtype(self, files: ExpertFiles, dtype: torch.dtype) -> torch.dtype:
        # the stock SDXL VAE overflows in float16, which its configuration says with force_upcast: it stays in float32
        return torch.float32 if bool(files.config_of("vae").get("force_upcast", True)) else dtype

    def _module(self, kind: Any, files: ExpertFiles, part: str, dtype: torch.dtype, expert: str) -> Any:
        self._report(f"{expert} {part}", self._done_bytes / max(self._total_bytes, 1))
        module = files.read(kind, part, dtype)
        self._done_bytes += files.size_of(part)
        # parameters keep requires_grad: without it torch's CPU linear takes another path, with other last bits
        return module.to(self._device).eval()


@dataclass(frozen=True, slots=True)
class _Twin:
    """A part that is loaded already, and where it came from."""

    files: ExpertFiles
    module: Any


def _tokenizer(folder: Path) -> CLIPTokenizer:
    return CLIPTokenizer.from_pretrained(folder, local_files_only=True)
