"""The server's processes stay small: none of them loads torch. Only the engine child does."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "diffusers", "transformers", "peft", "accelerate", "safetensors", "scipy", "numpy")


@pytest.mark.parametrize(
    "module",
    [
        "server.api.app",
        "server.entrypoints.api",
        "server.entrypoints.worker",
        "server.entrypoints.up",
        "server.entrypoints.cli",
        "server.entrypoints.engine",
        "pipelines.contract",
        "models.catalogue",
    ],
)
def test_importing_it_loads_no_torch(module: str):
    program = f"import sys, {module}; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_the_list_would_notice():
    program = f"import sys, numpy; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "['numpy']"
