"""Checked values in the engine's terms."""

from collections.abc import Mapping
from dataclasses import dataclass

from models.card import Value

ONLY_BASE = "--only_base_model"
"""The value of `refiner` that leaves the refiner out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SdxlValues:
    """How to draw. `high_noise_frac` is between 0 and 1 where `use_refiner`, and 1 otherwise."""

    prompt: str
    negative_prompt: str
    samples: int
    steps: int
    refiner_steps: int
    guidance_scale: float
    high_noise_frac: float
    use_refiner: bool
    noise_scheduler: str
    seed: int
    width: int
    height: int


def sdxl_values(values: Mapping[str, Value]) -> SdxlValues:
    """Translate what `models.parameters.check` returned for an SDXL card."""
    fraction = float(values["highNoiseFrac"])
    use_refiner = values["refiner"] != ONLY_BASE and 0 < fraction < 1
    return SdxlValues(
        prompt=str(values["prompt"]),
        negative_prompt=str(values["negativePrompt"]),
        samples=int(values["samples"]),
        steps=int(values["steps"]),
        refiner_steps=int(values["stepsRefiner"]),
        guidance_scale=float(values["scale"]),
        high_noise_frac=fraction if use_refiner else 1.0,
        use_refiner=use_refiner,
        noise_scheduler=str(values["scheduler"]),
        seed=int(values["seed"]),
        width=int(values["width"]),
        height=int(values["height"]),
    )
