"""The miniature that ships with easel: where it lies, which cards it may draw, and at which size."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final

from models.card import Card
from models.layouts import Found, scan
from models.registry import RegistryError
from models.weights import Missing, WeightSet, find_weights, first_gap, scan_loras

MINIATURE: Final = "miniature"

_LATENT: Final = 8
_SMALLEST: Final = 64


def weights_for(
    card: Card, folders: Sequence[Path], found: Sequence[Found] | None = None, *, miniature: bool
) -> WeightSet | Missing:
    """Find the card's real weights; the miniature takes their place where it may and nothing of them is installed.

    `found` is what a scan of the folders gave; it spares another one.
    """
    weights = find_weights(card, folders, found)
    if isinstance(weights, WeightSet) or weights.partly or not miniature or card.miniature is None:
        return weights
    return miniature_weights()


@dataclass(frozen=True, slots=True)
class Drawable:
    """Which cards can be drawn, with what, by slug; and what is missing of the others, the half-installed first."""

    weights: Mapping[str, WeightSet]
    missing: Sequence[Missing]


def find_drawable(cards: Iterable[Card], folders: Sequence[Path], *, miniature: bool) -> Drawable:
    """Find weights for the cards: real ones for all that is drawn, or the miniature's for all, never both.

    Where a card's real weights lie in part and no card's are whole, nothing can be drawn.
    """
    shelf = _scan_once(folders)
    found = {card.slug: weights_for(card, folders, shelf, miniature=miniature) for card in cards}
    missing = sorted((each for each in found.values() if isinstance(each, Missing)), key=lambda each: not each.partly)
    weights = {slug: each for slug, each in found.items() if isinstance(each, WeightSet)}
    real = {slug: each for slug, each in weights.items() if not each.miniature}
    begun = bool(missing) and missing[0].partly
    return Drawable(real if real or begun else weights, missing)


def _scan_once(folders: Sequence[Path]) -> Sequence[Found] | None:
    try:
        return scan(folders)
    except RegistryError:  # each card will say it
        return None


def miniature_weights(folder: Path | None = None) -> WeightSet | Missing:
    """Return the weights that came with the package, or those of `folder`, which is laid out alike."""
    folder = folder or Path(str(resources.files("models").joinpath(MINIATURE)))
    base, refiner = folder / "base", folder / "refiner"
    gap = first_gap(base) or first_gap(refiner, refiner=True)
    if gap is not None:
        return Missing(f"The miniature is incomplete: {gap} is missing; install easel anew.")
    unet = json.loads((base / "unet" / "config.json").read_text(encoding="utf-8"))
    side = int(unet["sample_size"]) * _LATENT
    return WeightSet(base=base, refiner=refiner, loras=scan_loras(folder / "loras"), miniature_side=side)


def drawn_size(width: int, height: int, side: int) -> tuple[int, int]:
    """Return the size at which a model of side × side pixels draws a picture that is to be width × height.

    Pictures of no larger area are drawn as they are. Others keep their shape as well as multiples of 8 can, at the
    area of that square, or at a larger one if the shorter side would be less than 64.
    """
    factor = max(side / math.sqrt(width * height), _SMALLEST / min(width, height))
    if factor >= 1:
        return width, height
    return _rounded(width * factor), _rounded(height * factor)


def _rounded(pixels: float) -> int:
    return round(pixels / _LATENT) * _LATENT
