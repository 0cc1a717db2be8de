"""Where an expert's parts lie, and reading them: from a folder in diffusers' layout, or from a single file."""

import filecmp
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import nn

from models.tensor_header import SUFFIX
from pipelines.single_file import read_part, size_of_part

# how a file came to be, not what is in it
_PROVENANCE: Final = frozenset({"transformers_version", "torch_dtype", "dtype", "architectures"})
_PARTS: Final = ("unet", "vae", "text_encoder", "text_encoder_2")


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
    def of(cls, place: "Path | ExpertFiles") -> "ExpertFiles":
        """Return the files at a place that may be a folder's path alone."""
        return cls(place) if isinstance(place, Path) else place

    @property
    def folder(self) -> Path:
        """The folder of configurations and tokenizers."""
        return self.config if self.config is not None and _is_single(self.weights) else self.weights

    @property
    def size(self) -> int:
        """Bytes of all parts."""
        return sum(self.size_of(part) for part in _PARTS if (self.folder / part).is_dir())

    def size_of(self, part: str) -> int:
        """Bytes of a part: unet, vae, text_encoder or text_encoder_2."""
        source = self.source(part)
        if _is_single(source):
            return size_of_part(source, part)
        return sum(path.stat().st_size for path in source.rglob(f"*{SUFFIX}"))

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

    def has_same(self, part: str, other: "ExpertFiles") -> bool | None:
        """Whether both hold the same part, told without reading it; None: only its tensors can tell."""
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
