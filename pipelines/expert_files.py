"""Where an expert's parts lie, and reading them: from a folder in diffusers' layout, or from a single file."""

import filecmp
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import torch
from torch import nn
from transformers import CLIPTokenizer

from models.part_sizes import parameters_of
from models.safetensors_header import SUFFIX, HeaderError
from pipelines.noise_schedulers import read_scheduler_config
from pipelines.single_file import read_part

# how a file came to be, not what is in it
_PROVENANCE: Final = frozenset({"transformers_version", "torch_dtype", "dtype", "architectures"})


class ExpertSource(Protocol):
    """Where an expert's parts come from, named as in diffusers' layout: unet, vae, text_encoder_2 and so on."""

    @property
    def index(self) -> Mapping[str, Any]:
        """What `model_index.json` says of the expert."""
        ...

    @property
    def scheduler_config(self) -> Mapping[str, Any]:
        """The noise scheduler's configuration as it was trained with."""
        ...

    def has(self, part: str) -> bool:
        """Whether the expert has such a part."""
        ...

    def parameters_of(self, part: str) -> int:
        """Return how many numbers a part's weights have; what is broken counts nothing."""
        ...

    def tokenizer(self, part: str) -> CLIPTokenizer:
        """Load a tokenizer."""
        ...

    def config_of(self, part: str) -> Mapping[str, Any]:
        """Return a part's configuration."""
        ...

    def read(self, kind: Any, part: str, dtype: torch.dtype) -> Any:
        """Read a part as a module of `kind` on the CPU. Raises OSError or ValueError."""
        ...

    def has_same(self, part: str, other: "ExpertSource") -> bool | None:
        """Whether both hold the same part, told without reading it; None: only its tensors can tell."""
        ...


@dataclass(frozen=True, slots=True)
class ExpertFiles:
    """An expert's weights: a folder in diffusers' layout, or a single file.

    `config` is a folder in diffusers' layout with all that a single file doesn't hold. `vae` is a VAE's folder or
    single file that takes the place of the expert's own.
    """

    weights: Path
    config: Path | None = None
    vae: Path | None = None

    @classmethod
    def of(cls, place: "Path | ExpertSource") -> ExpertSource:
        """Return the source that a place is, which may be a folder's path alone."""
        return cls(place) if isinstance(place, Path) else place

    @property
    def folder(self) -> Path:
        """The folder of configurations and tokenizers."""
        return self.config if self.config is not None and _is_single(self.weights) else self.weights

    @property
    def index(self) -> Mapping[str, Any]:
        """What `model_index.json` says of the expert."""
        return _read_json(self.folder / "model_index.json")

    @property
    def scheduler_config(self) -> Mapping[str, Any]:
        """The noise scheduler's configuration as it was trained with."""
        return read_scheduler_config(self.folder)

    def has(self, part: str) -> bool:
        """Whether the expert has such a part: unet, vae, text_encoder, tokenizer_2, …"""  # noqa: D415
        return (self.folder / part).is_dir()

    def parameters_of(self, part: str) -> int:
        """Return how many numbers a part's weights have, by the headers of its files; broken ones count nothing."""
        try:
            return parameters_of(self.source(part), part)
        except HeaderError:  # loading will say what is wrong
            return 0

    def tokenizer(self, part: str) -> CLIPTokenizer:
        """Load a tokenizer."""
        return CLIPTokenizer.from_pretrained(self.folder / part, local_files_only=True)

    def config_of(self, part: str) -> dict[str, Any]:
        """Return a part's configuration."""
        return _read_json(self._config_folder(part) / "config.json")

    def read(self, kind: Any, part: str, dtype: torch.dtype) -> Any:
        """Read a part as a module of `kind` on the CPU. Raises OSError or ValueError."""
        source = self.source(part)
        if _is_single(source):
            return read_part(kind, part, source, self._config_folder(part), dtype)
        variant = self.variant_of(part)
        return kind.from_pretrained(source, dtype=dtype, variant=variant, use_safetensors=True, local_files_only=True)

    def variant_of(self, part: str) -> str | None:
        """Return the infix in the names of a part's files, by which diffusers and transformers know a variant."""
        return None if _has_plain_weights(self.source(part)) else "fp16"

    def has_same(self, part: str, other: ExpertSource) -> bool | None:
        """Whether both hold the same part, told without reading it; None: only its tensors can tell."""
        if not isinstance(other, ExpertFiles):
            return None
        one, two = self.source(part), other.source(part)
        if one == two:
            return True
        return None if _is_single(one) or _is_single(two) else same_component(one, two)

    def source(self, part: str) -> Path:
        """Return the part's folder, or the single file that holds it."""
        if part == "vae" and self.vae is not None:
            return self.vae
        return self.weights if _is_single(self.weights) else self.weights / part

    def _config_folder(self, part: str) -> Path:
        source = self.source(part)
        return self.folder / part if _is_single(source) else source


def same_component(one: Path, other: Path) -> bool:
    """Whether two component folders hold the same weights under the same configuration, or the first doesn't exist."""
    if not one.is_dir():
        return True
    names = sorted(path.name for path in one.glob(f"*{SUFFIX}"))
    if names != sorted(path.name for path in other.glob(f"*{SUFFIX}")) or _settings(one) != _settings(other):
        return False
    return all(filecmp.cmp(one / name, other / name, shallow=False) for name in names)


def same_tensors(one: nn.Module, other: nn.Module) -> bool:
    """Whether two modules hold the same values under the same names."""
    mine, its = one.state_dict(), other.state_dict()
    return mine.keys() == its.keys() and all(torch.equal(mine[name], its[name].to(mine[name].device)) for name in mine)


def _is_single(path: Path) -> bool:
    return path.suffix == SUFFIX


def _has_plain_weights(folder: Path) -> bool:
    return any(".fp16." not in path.name for path in folder.glob(f"*{SUFFIX}"))


def _settings(folder: Path) -> dict[str, Any]:
    config = _read_json(folder / "config.json")
    return {key: value for key, value in config.items() if not key.startswith("_") and key not in _PROVENANCE}


def _read_json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content
