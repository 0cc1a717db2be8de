"""Where a card's weights lie. LoRAs are looked up in a scan of their folder: no path is ever built from user text."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from models.card import Card

LORA_SUFFIX = ".safetensors"

# The files of diffusers' layout that an expert can't do without. Tokenizers come in one file or in two.
_OTHER_TOKENIZER: Final = "tokenizer.json"
_TOKENIZER: Final = ("vocab.json", "merges.txt")
_NETWORK: Final = ("config.json", "*.safetensors")
_REFINER: Final[Mapping[str, Sequence[str]]] = {
    "": ("model_index.json",),
    "scheduler": ("scheduler_config.json",),
    "unet": _NETWORK,
    "vae": _NETWORK,
    "text_encoder_2": _NETWORK,
    "tokenizer_2": _TOKENIZER,
}
_BASE: Final[Mapping[str, Sequence[str]]] = {**_REFINER, "text_encoder": _NETWORK, "tokenizer": _TOKENIZER}


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightSet:
    """Weights that belong together. `loras` maps names to files.

    `miniature_side` is None for real weights; else these are the miniature's, which was trained on squares of that
    many pixels.
    """

    base: Path
    refiner: Path | None
    loras: Mapping[str, Path]
    miniature_side: int | None = None

    @property
    def miniature(self) -> bool:
        """Whether these are the miniature's."""
        return self.miniature_side is not None

    def lora_for(self, name: str) -> Path | None:
        """Return the file of that LoRA, or None: exact first, then in any case. Its stem is the true name."""
        if name in self.loras:
            return self.loras[name]
        folded = name.casefold()
        return next((path for known, path in self.loras.items() if known.casefold() == folded), None)


@dataclass(frozen=True, slots=True)
class Missing:
    """There are no weights to draw with; `sentence` tells an operator what is missing, and what to do.

    `partly`: some of them lie there, so nothing else may quietly take their place.
    """

    sentence: str
    partly: bool = False


def find_weights(card: Card, folders: Sequence[Path]) -> WeightSet | Missing:
    """Find the first of the card's real weights of which anything lies in the folders, its refiner and its LoRAs."""
    for place, base in enumerate(card.weights.base):
        # By place, so that a base never meets another's refiner.
        refiner = card.weights.refiner[place] if card.weights.refiner else None
        if any(os.path.lexists(folder / name) for folder in folders for name in (base, refiner) if name):
            return _whole(card, base, refiner, folders)
    return Missing(_what_is_missing(card, folders))


def first_gap(folder: Path, *, refiner: bool = False) -> Path | None:
    """Return a file that the base, or the refiner, in that folder can't do without and lacks; None if it is whole."""
    parts = _REFINER if refiner else _BASE
    return next((folder / part / name for part in parts for name in _gaps(folder / part, parts[part])), None)


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


def _whole(card: Card, base_name: str, refiner_name: str | None, folders: Sequence[Path]) -> WeightSet | Missing:
    base, gap = _best([folder / base_name for folder in folders], refiner=False)
    refiner = None
    if gap is None and refiner_name is not None:
        nearest = sorted(folders, key=lambda folder: folder / base_name != base)
        refiner, gap = _best([folder / refiner_name for folder in nearest], refiner=True)
    if gap is not None:
        return Missing(_what_is_incomplete(card, refiner or base, gap), partly=True)
    return WeightSet(base=base, refiner=refiner, loras=scan_loras(base.parent / "loras"))


def _best(places: Sequence[Path], *, refiner: bool) -> tuple[Path, Path | None]:
    """Return the first place that is whole, else the first where anything is, else the first; and its first gap."""
    judged = [(place, first_gap(place, refiner=refiner)) for place in places]
    whole = (one for one in judged if one[1] is None)
    begun = (one for one in judged if os.path.lexists(one[0]))
    return next(whole, None) or next(begun, judged[0])


def _gaps(folder: Path, names: Sequence[str]) -> Iterator[str]:
    if names is _TOKENIZER and _holds(folder, _OTHER_TOKENIZER):
        return
    yield from (name for name in names if not _holds(folder, name))


def _holds(folder: Path, pattern: str) -> bool:
    try:
        return any(file.is_file() for file in folder.glob(pattern))
    except OSError:
        return False


def _what_is_missing(card: Card, folders: Sequence[Path]) -> str:
    names = " or ".join(card.weights.base)
    where = ", ".join(str(folder) for folder in folders) or "no folder at all"
    instead = ", or set EASEL_MINIATURE=1 to draw with the miniature" if card.miniature is not None else ""
    return (
        f"No weights for {card.slug}: looked for {names} (a folder in diffusers' layout with safetensors) in {where}; "
        f"name the folder that holds them in EASEL_MODELS_DIR{instead}."
    )


def _what_is_incomplete(card: Card, folder: Path, gap: Path) -> str:
    return (
        f"The weights of {card.slug} are incomplete: {gap} is missing; put the whole of {folder.name} into {folder} "
        "in diffusers' layout (`easel models list` shows what is found), or take away what lies there of it."
    )
