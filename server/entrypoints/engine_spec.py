"""What an engine child is told to draw with."""

from pathlib import Path

from models.weights import WeightSet
from server.entrypoints.engine import EngineSpec
from server.settings import Settings


def sdxl_spec(settings: Settings, weights: WeightSet) -> EngineSpec:
    """Return what an engine child needs to draw with these weights."""
    return EngineSpec(
        engine="sdxl",
        device=settings.device,
        base=_absolute(weights.base),
        refiner=_absolute(weights.refiner),
        base_config=_absolute(weights.base_config),
        refiner_config=_absolute(weights.refiner_config),
        vae=_absolute(weights.vae),
        in_flight=settings.in_flight,
        batch_rows=settings.batch_rows,
        dtype=settings.dtype,
        memory=settings.memory,
        compile=settings.compile,
        compile_sizes=settings.compile_sizes,
        lora_cache_gb=settings.lora_cache_gb,
    )


def _absolute(path: Path | None) -> str:
    return str(path.absolute()) if path else ""
