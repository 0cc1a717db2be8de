"""From the weights that were found to what an engine child must know of them."""

from pathlib import Path

from models.weights import WeightSet
from server.entrypoints.engine import EngineSpec


def sdxl_spec(device: str, weights: WeightSet) -> EngineSpec:
    """Return what an engine child needs to draw with these weights."""
    return EngineSpec(
        engine="sdxl",
        device=device,
        base=_absolute(weights.base),
        refiner=_absolute(weights.refiner),
        base_config=_absolute(weights.base_config),
        refiner_config=_absolute(weights.refiner_config),
        vae=_absolute(weights.vae),
    )


def _absolute(path: Path | None) -> str:
    return str(path.absolute()) if path else ""
