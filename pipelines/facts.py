"""What an engine's pictures depend on, beside their request and the weights: libraries, number format, schedulers."""

from collections.abc import Mapping
from typing import Final

import diffusers
import torch
import transformers

from pipelines.contract import EngineFacts
from pipelines.loading import Expert
from pipelines.noise_schedulers import NOISE_SCHEDULERS, build_noise_scheduler

_PLAIN: Final = (str, int, float, bool, type(None))


def engine_facts(base: Expert, rows: int) -> EngineFacts:
    """Return what is known of the loaded base; the refiner is run in the same number format.

    `rows` is how many every forward with guidance has.
    """
    libraries = {"torch": torch, "diffusers": diffusers, "transformers": transformers}
    return EngineFacts(
        dtype=str(base.unet.dtype).removeprefix("torch."),
        rows=rows,
        versions={name: str(library.__version__) for name, library in libraries.items()},
        noise_schedulers={name: _settings(name, base) for name in NOISE_SCHEDULERS},
    )


def _settings(name: str, base: Expert) -> Mapping[str, object]:
    """Return a scheduler's configuration as it is built from the weights' own, without what JSON has no word for."""
    scheduler = build_noise_scheduler(name, base.scheduler_config)
    settings = {key: value for key, value in scheduler.config.items() if not key.startswith("_")}
    return {"class": type(scheduler).__name__} | {key: value for key, value in settings.items() if _is_plain(value)}


def _is_plain(value: object) -> bool:
    return isinstance(value, _PLAIN) or (isinstance(value, list) and all(isinstance(each, _PLAIN) for each in value))
