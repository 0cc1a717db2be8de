"""What the settings and the weights say to an SDXL engine's process."""

from models.weights import WeightSet
from server.entrypoints.engine import EngineSpec
from server.settings import Settings


def sdxl_spec(settings: Settings, weights: WeightSet) -> EngineSpec:
    """Return how the child is to be started."""
    return EngineSpec(
        engine="sdxl",
        device=settings.device,
        base=str(weights.base.absolute()),
        refiner=str(weights.refiner.absolute()) if weights.refiner else "",
        dtype=settings.dtype,
        memory=settings.memory,
        compile=settings.compile,
        compile_sizes=settings.compile_sizes,
        lora_cache_gb=settings.lora_cache_gb,
    )
