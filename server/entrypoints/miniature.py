"""Writing the miniature: a small SDXL for machines without real weights."""

import secrets
import shutil
import subprocess
import sys
from pathlib import Path

from rich.console import Console

from models.catalogue import Catalogue
from models.weights import WeightSet, find_weights
from server.entrypoints.composition import Trouble, load_catalogue, require_worker_extra
from server.settings import Settings


def write_miniature(folder: Path) -> Path:
    """Write the miniature into `folder`/miniature, whole or not at all; return that path. Raises Trouble."""
    require_worker_extra()
    target, aside = folder / "miniature", folder / f"miniature.{secrets.token_hex(4)}.tmp"
    folder.mkdir(parents=True, exist_ok=True)
    # In a process of its own: torch stays out of this one. -P: a torch.py in the current folder does too.
    command = [sys.executable, "-P", "-m", "pipelines.miniature", str(aside)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 our own module
    if done.returncode != 0:
        shutil.rmtree(aside, ignore_errors=True)
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise Trouble(f"The miniature could not be written to {target}: {last}")
    shutil.rmtree(target, ignore_errors=True)
    aside.rename(target)
    return target


def write_miniature_if_needed(settings: Settings, console: Console) -> None:
    """Give the embedded default something to draw with, if nobody named any weights."""
    if settings.engine != "sdxl" or settings.models_dir:
        return
    require_worker_extra()
    if not _finds_weights(load_catalogue(settings), settings):
        with console.status("no SDXL weights found: writing the miniature …"):
            path = write_miniature(settings.models_folders[0])
        console.print(f"no SDXL weights found: wrote the miniature to {path}; real weights go into EASEL_MODELS_DIR")


def _finds_weights(catalogue: Catalogue, settings: Settings) -> bool:
    return any(isinstance(find_weights(card, settings.models_folders), WeightSet) for card in catalogue)
