"""Weights from local folders: nothing is ever fetched, and nothing but safetensors is read."""

import filecmp
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from pipelines.noise_schedulers import read_scheduler_config

Report: TypeAlias = Callable[[str, float], None]

# how a file came to be, not what is in it
_PROVENANCE: Final = frozenset({"transformers_version", "torch_dtype", "dtype", "architectures"})


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


def load_weights(base: Path, refiner: Path | None, device: torch.device, report: Report) -> Weights:
    """Load both experts onto `device`, reporting (what, fraction done by bytes).

    Raises:
        OSError, ValueError: a folder is no SDXL in diffusers' layout with safetensors.
    """
    folders = [folder for folder in (base, refiner) if folder is not None]
    loader = _Loader(device, sum(_size_of(folder) for folder in folders), report)
    base_expert = loader.expert(base, "base", None, None)
    if refiner is None:
        return Weights(base=base_expert, refiner=None)
    return Weights(base=base_expert, refiner=loader.expert(refiner, "refiner", base, base_expert))


class _Loader:
    """Loads components one by one and knows how far it is."""

    def __init__(self, device: torch.device, total_bytes: int, report: Report) -> None:
        self._device = device
        self._total_bytes = total_bytes
        self._done_bytes = 0
        self._report = report

    def expert(self, folder: Path, name: str, twin_folder: Path | None, twin: Expert | None) -> Expert:
        """Load the expert in `folder`, sharing with its twin what is the same."""
        index = _read_json(folder / "model_index.json")
        dtype = unet_dtype(self._device)
        stages: list[TextStage] = []
        if (folder / "text_encoder").is_dir():
            encoder = self._module(CLIPTextModel, folder / "text_encoder", dtype, name)
            stages.append(TextStage(tokenizer=_tokenizer(folder / "tokenizer"), text_encoder=encoder))
        encoder_2 = (
            twin.text_stages[-1].text_encoder if twin and self._same(folder, twin_folder, "text_encoder_2") else None
        )
        if encoder_2 is None:
            encoder_2 = self._module(CLIPTextModelWithProjection, folder / "text_encoder_2", dtype, name)
        stages.append(TextStage(tokenizer=_tokenizer(folder / "tokenizer_2"), text_encoder=encoder_2))
        vae = twin.vae if twin and self._same(folder, twin_folder, "vae") else self._vae(folder / "vae", dtype, name)
        return Expert(
            text_stages=tuple(stages),
            unet=self._module(UNet2DConditionModel, folder / "unet", dtype, name),
            vae=vae,
            scheduler_config=read_scheduler_config(folder),
            requires_aesthetics_score=bool(index.get("requires_aesthetics_score", False)),
        )

    def _same(self, folder: Path, twin_folder: Path | None, component: str) -> bool:
        if twin_folder is None or not same_component(folder / component, twin_folder / component):
            return False
        self._done_bytes += _size_of(folder / component)
        return True

    def _vae(self, folder: Path, dtype: torch.dtype, expert: str) -> AutoencoderKL:
        # the stock SDXL VAE overflows in float16, which its configuration says with force_upcast: it stays in float32
        upcast = bool(_read_json(folder / "config.json").get("force_upcast", True))
        return self._module(AutoencoderKL, folder, torch.float32 if upcast else dtype, expert)

    def _module(self, kind: Any, folder: Path, dtype: torch.dtype, expert: str) -> Any:
        self._report(f"{expert} {folder.name}", self._done_bytes / max(self._total_bytes, 1))
        # diffusers and transformers both still know a variant by the infix in its file name
        variant = None if _has_plain_weights(folder) else "fp16"
        module = kind.from_pretrained(folder, dtype=dtype, variant=variant, use_safetensors=True, local_files_only=True)
        self._done_bytes += _size_of(folder)
        # parameters keep requires_grad: without it torch's CPU linear takes another path, with other last bits
        return module.to(self._device).eval()


def same_component(one: Path, other: Path) -> bool:
    """Whether two component folders hold the same weights under the same configuration, or the first doesn't exist."""
    if not one.is_dir():
        return True
    names = sorted(path.name for path in one.glob("*.safetensors"))
    if names != sorted(path.name for path in other.glob("*.safetensors")) or _settings(one) != _settings(other):
        return False
    return all(filecmp.cmp(one / name, other / name, shallow=False) for name in names)


def _settings(folder: Path) -> dict[str, Any]:
    config = _read_json(folder / "config.json")
    return {key: value for key, value in config.items() if not key.startswith("_") and key not in _PROVENANCE}


def _read_json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _tokenizer(folder: Path) -> CLIPTokenizer:
    return CLIPTokenizer.from_pretrained(folder, local_files_only=True)


def _has_plain_weights(folder: Path) -> bool:
    return any(".fp16." not in path.name for path in folder.glob("*.safetensors"))


def _size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*.safetensors"))
