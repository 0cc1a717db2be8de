"""Weights for tests that look at how they are loaded."""

from pathlib import Path

import torch

from pipelines.loading import Manner, Weights, load_weights
from pipelines.sources import FolderSource


def load(folder: Path, *, refiner: bool = False, manner: Manner | None = None) -> Weights:
    second = FolderSource(folder / "refiner") if refiner else None
    return load_weights(FolderSource(folder / "base"), second, torch.device("cpu"), lambda _what, _done: None, manner)
