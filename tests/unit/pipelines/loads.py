"""Weights for tests that look at how they are loaded."""

from pathlib import Path

import torch

from pipelines.expert_files import ExpertFiles
from pipelines.loading import Manner, Weights, load_weights


def load(folder: Path, *, refiner: bool = False, manner: Manner | None = None) -> Weights:
    second = ExpertFiles(folder / "refiner") if refiner else None
    return load_weights(ExpertFiles(folder / "base"), second, torch.device("cpu"), lambda _what, _done: None, manner)
