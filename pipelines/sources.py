"""Where the components of an expert come from. Nothing is ever fetched, and nothing but safetensors is read."""

import filecmp
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Protocol

import torch
from torch import nn
from transformers import CLIPTokenizer

from models.safetensors_header import HeaderError, read_header
from pipelines.noise_schedulers import read_scheduler_config

# how a file came to be, not what is in it
_PROVENANCE: Final = frozenset({"transformers_version", "torch_dtype", "dtype", "architectures"})


class ExpertSource(Protocol):
    """One expert's components, by the names of diffusers' layout: unet, vae, text_encoder, tokenizer_2, …"""  # noqa: D415

    def has(self, component: str) -> bool:
        """Whether there is such a component."""
        ...

    def settings(self, component: str) -> Mapping[str, Any]:
        """Return a component's configuration; of "" the expert's own, which is `model_index.json`."""
        ...

    def scheduler_config(self) -> Mapping[str, Any]:
        """Return the noise scheduler's configuration as it was trained with."""
        ...

    def tokenizer(self, component: str) -> CLIPTokenizer:
        """Load a tokenizer."""
        ...

    def parameters(self, component: str) -> int:
        """Return how many numbers a component's weights have."""
        ...

    def module(self, component: str, kind: Any, dtype: torch.dtype) -> nn.Module:
        """Load a component of diffusers' or transformers' class `kind`, in host memory."""
        ...

    def shares(self, component: str, other: "ExpertSource") -> bool:
        """Whether this source's component is the other's, weights and configuration; true where it has none itself."""
        ...


class FolderSource:
    """An expert in diffusers' folder layout."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def has(self, component: str) -> bool:
        """Whether there is a folder of that name."""
        return (self.folder / component).is_dir()

    def settings(self, component: str) -> Mapping[str, Any]:
        """Read `config.json`, or `model_index.json`. Raises OSError, ValueError."""
        return read_json(self.folder / component / ("config.json" if component else "model_index.json"))

    def scheduler_config(self) -> Mapping[str, Any]:
        """Read `scheduler/scheduler_config.json` as it stands in the file. Raises OSError."""
        return read_scheduler_config(self.folder)

    def tokenizer(self, component: str) -> CLIPTokenizer:
        """Load a tokenizer from its files."""
        return CLIPTokenizer.from_pretrained(self.folder / component, local_files_only=True)

    def parameters(self, component: str) -> int:
        """Count by the headers of the files that will be read; files that can't be read count nothing."""
        variant = _variant(self.folder / component)
        files = self.folder.joinpath(component).glob("*.safetensors")
        return sum(_parameters_in(file) for file in files if (variant is not None) == (".fp16." in file.name))

    def module(self, component: str, kind: Any, dtype: torch.dtype) -> nn.Module:
        """Load a component. Raises OSError, ValueError."""
        folder = self.folder / component
        # diffusers and transformers both still know a variant by the infix in its file name
        return kind.from_pretrained(
            folder, dtype=dtype, variant=_variant(folder), use_safetensors=True, local_files_only=True
        )

    def shares(self, component: str, other: ExpertSource) -> bool:
        """Compare the files byte for byte."""
        if not self.has(component):
            return True
        return isinstance(other, FolderSource) and same_component(self.folder / component, other.folder / component)


def same_component(one: Path, other: Path) -> bool:
    """Whether two component folders hold the same weights under the same configuration."""
    names = sorted(path.name for path in one.glob("*.safetensors"))
    if names != sorted(path.name for path in other.glob("*.safetensors")) or _essence(one) != _essence(other):
        return False
    return all(filecmp.cmp(one / name, other / name, shallow=False) for name in names)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object. Raises OSError, ValueError."""
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def _essence(folder: Path) -> dict[str, Any]:
    config = read_json(folder / "config.json")
    return {key: value for key, value in config.items() if not key.startswith("_") and key not in _PROVENANCE}


def _variant(folder: Path) -> str | None:
    plain = any(".fp16." not in path.name for path in folder.glob("*.safetensors"))
    return None if plain else "fp16"


def _parameters_in(file: Path) -> int:
    try:
        tensors = read_header(file).tensors
    except HeaderError:  # loading will say what is wrong
        return 0
    return sum(math.prod(spec.shape) for spec in tensors.values())
