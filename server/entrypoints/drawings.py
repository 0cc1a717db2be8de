"""What can be drawn here, and with which weights."""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

from models.catalogue import Catalogue
from models.shipped import Drawable, find_drawable
from models.weights import WeightSet
from server.entrypoints.engine import EngineSpec
from server.entrypoints.engine_spec import sdxl_spec
from server.entrypoints.fake_options import read_fake_options
from server.entrypoints.opening import load_catalogue
from server.entrypoints.packages import Find, missing_worker_packages
from server.entrypoints.trouble import Trouble
from server.settings import Settings

_T = TypeVar("_T")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Drawing:
    """What a worker draws with: the engine to start, the models it serves, their weights."""

    spec: EngineSpec
    models: Sequence[str]
    weights: WeightSet | None


def require_worker_extra(find: Find = find_spec) -> None:
    """Raise Trouble where easel was installed without what drawing needs."""
    missing = missing_worker_packages(find)
    if missing:
        raise Trouble(
            f"{', '.join(missing)} can't be found: pictures need the worker extra; "
            "install it with: pip install 'easel[worker]'"
        )


def drawable(settings: Settings, catalogue: Catalogue, *, miniature: bool) -> Drawable:
    """Return what can be drawn here. `miniature`: whether it may draw, unless the settings say it."""
    allowed = miniature if settings.miniature is None else settings.miniature
    return find_drawable(catalogue, settings.models_folders, miniature=allowed)


def served_catalogue(settings: Settings, *, miniature: bool) -> Catalogue:
    """Return the cards with the defaults of what will draw them."""
    found = seen_weights(settings, miniature=miniature)
    return load_catalogue(settings).with_miniature([slug for slug, weights in found.items() if weights.miniature])


def seen_weights(settings: Settings, *, miniature: bool) -> Mapping[str, WeightSet]:
    """Return the weights that lie here, by model; none where the fake engine draws, which needs none."""
    if settings.engine == "fake":
        return {}
    return drawable(settings, load_catalogue(settings), miniature=miniature).weights


def choose_drawing(
    settings: Settings, catalogue: Catalogue, find: Find = find_spec, *, miniature: bool = False
) -> Drawing:
    """Decide what this worker draws. Raises Trouble when there are no weights, or nothing to draw with.

    `miniature`: whether it may draw, unless the settings say it.
    """
    if settings.engine == "fake":
        try:
            step_ms, mode = read_fake_options(settings.fake)
        except ValueError as error:
            raise Trouble(str(error)) from None
        fake = EngineSpec(engine="fake", in_flight=settings.in_flight, step_ms=step_ms, mode=mode)
        return Drawing(fake, [card.slug for card in catalogue], None)
    require_worker_extra(find)
    found = drawable(settings, catalogue, miniature=miniature)
    usable = found.weights
    if not usable:
        raise Trouble(found.missing[0].sentence if found.missing else "There is no model card to serve.")
    for begun in (missing for missing in found.missing if missing.partly):
        _log.warning("%s", begun.sentence)
    # One process holds one set of weights: the one most cards are drawn with, and its refiner, if one of them has one.
    most = _most(_base(weights) for weights in usable.values())
    alike = {slug: weights for slug, weights in usable.items() if _base(weights) == most}
    refiner = _most(weights.refiner for weights in alike.values() if weights.refiner)
    models = [slug for slug, weights in alike.items() if weights.refiner in {None, refiner}]
    weights = next(usable[slug] for slug in models if usable[slug].refiner == refiner)
    _warn_of_the_others({slug: other for slug, other in usable.items() if slug not in models}, weights)
    return Drawing(sdxl_spec(settings, weights), models, weights)


def miniature_banner(settings: Settings) -> str:
    """Say that the miniature draws, and why."""
    where = ", ".join(str(folder) for folder in settings.models_folders)
    return (
        f"Drawing with the miniature, a small SDXL that knows few words: no real weights in {where}. "
        "Put them there, or set EASEL_MODELS_DIR; EASEL_MINIATURE=0 forbids the miniature."
    )


def _base(weights: WeightSet) -> Sequence[Path | None]:
    return weights.base, weights.base_config, weights.vae


def _most(found: Iterable[_T]) -> _T | None:
    """Return what is there most often, the first of equals; None where nothing is."""
    return next((one for one, _ in Counter(found).most_common(1)), None)


def _warn_of_the_others(others: Mapping[str, WeightSet], drawing: WeightSet) -> None:
    if others:
        named = "; ".join(f"{slug} ({_named(weights)})" for slug, weights in others.items())
        _log.warning(
            "drawing with %s; not drawn here, for their weights are others: %s. Start another worker for them.",
            _named(drawing),
            named,
        )


def _named(weights: WeightSet) -> str:
    beside = f"refiner {weights.refiner}" if weights.refiner else "no refiner"
    return f"{weights.base}, {beside}{f', VAE {weights.vae}' if weights.vae else ''}"
