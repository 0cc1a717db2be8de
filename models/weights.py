"""Where a card's weights lie. LoRAs are looked up in a scan of their folder: no path is ever built from user text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.card import Card

LORA_SUFFIX = ".safetensors"
_MINIATURE = "miniature"


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightSet:
    """Weights that belong together. `loras` maps names to files; `miniature` marks the small test model."""

    base: Path
    refiner: Path | None
    loras: Mapping[str, Path]
    miniature: bool

    def lora_for(self, name: str) -> Path | None:
        """Return the file of that LoRA, or None: exact first, then in any case. Its stem is the true name."""
        if name in self.loras:
            return self.loras[name]
        folded = name.casefold()
        return next((path for known, path in self.loras.items() if known.casefold() == folded), None)


@dataclass(frozen=True, slots=True)
class Missing:
    """No weights were found; `sentence` tells an operator what was looked for, where, and what to do."""

    sentence: str


def find_weights(card: Card, folders: Sequence[Path]) -> WeightSet | Missing:
    """Find the first of the card's weights that lies in one of the folders, and the refiner and LoRAs beside it."""
    for place, name in enumerate(card.weights.base):
        base = _first_hit(name, folders)
        if base is None:
            continue
        # By place, so that a miniature base never meets a full-size refiner.
        refiner = card.weights.refiner[place] if card.weights.refiner else None
        return WeightSet(
            base=base,
            refiner=None if refiner is None else _first_hit(refiner, _nearest_first(base, name, folders)),
            loras=scan_loras(base.parent / "loras"),
            miniature=name.split("/")[0] == _MINIATURE,
        )
    return Missing(_what_is_missing(card, folders))


def scan_loras(folder: Path) -> dict[str, Path]:
    """Return the LoRA files that really lie in that folder, by name, sorted."""
    try:
        root = folder.resolve(strict=True)
        files = sorted(folder.iterdir())
    except (OSError, RuntimeError):  # RuntimeError: a loop of links
        return {}
    return {file.stem: file for file in files if _is_lora(file, root)}


def _is_lora(file: Path, root: Path) -> bool:
    # Names that can't be printed, such as undecodable bytes, could be neither asked for nor listed.
    if file.suffix != LORA_SUFFIX or not file.stem.isprintable():
        return False
    try:
        return file.is_file() and file.resolve(strict=True).is_relative_to(root)
    except (OSError, RuntimeError):
        return False


def _first_hit(name: str, folders: Sequence[Path]) -> Path | None:
    return next((folder / name for folder in folders if _holds_weights(folder / name)), None)


def _holds_weights(folder: Path) -> bool:
    try:
        has_unet = any(file.is_file() for file in (folder / "unet").glob("*.safetensors"))
        return has_unet and (folder / "model_index.json").is_file()
    except OSError:
        return False


def _nearest_first(base: Path, name: str, folders: Sequence[Path]) -> list[Path]:
    return sorted(folders, key=lambda folder: folder / name != base)


def _what_is_missing(card: Card, folders: Sequence[Path]) -> str:
    names = " or ".join(card.weights.base)
    where = ", ".join(str(folder) for folder in folders) or "no folder at all"
    return (
        f"No weights for {card.slug}: looked for {names} (a folder with model_index.json and unet/*.safetensors) "
        f"in {where}; name the folder that holds them in EASEL_MODELS_DIR, "
        "or run `easel models miniature` to write a small test model."
    )
