"""The packages of the worker extra: what a machine needs to draw, beside what it needs to serve."""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Final, TypeAlias

Find: TypeAlias = Callable[[str], object | None]
"""Finds a package by its name without importing it; None where there is none."""

WORKER_PACKAGES: Final = ("torch", "diffusers", "transformers", "peft", "safetensors", "accelerate", "scipy")


def missing_worker_packages(find: Find = find_spec) -> list[str]:
    """Return the packages of the worker extra that aren't installed."""
    return [name for name in WORKER_PACKAGES if find(name) is None]
