"""From the weights that were found to what an engine child must know of them."""

from pathlib import Path

from models.shipped import standard_config
from models.weights import WeightSet
from server.entrypoints.engine import EngineSpec


def sdxl_spec(device: str, weights: WeightSet) -> EngineSpec:
    """Return what an engine child needs to draw with these weights; single files have SDXL's own configuration."""
    base, refiner = weights.base_config, weights.refiner_config
    if weights.base.is_file():
        base = base or standard_config(refiner=False)
    if weights.refiner is not None and weights.refiner.is_file():
        refiner = refiner or standard_config(refiner=True)
    return EngineSpec(
        engine="sdxl",
        device=device,
        base=_absolute(weights.base),
        refiner=_absolute(weights.refiner),
        base_config=_absolute(base),
        refiner_config=_absolute(refiner),
        vae=_absolute(weights.vae),
    )


def _absolute(path: Path | None) -> str:
    return str(path.absolute()) if path else ""
