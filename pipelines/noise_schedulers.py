"""Noise schedulers, each built fresh from the configuration that came with the weights.

A scheduler object remembers its timesteps, its position and its solver's history, so no two samples may share one, and
its `config` picks up flags of its class, so it is never the source of another.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol, cast

import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DEISMultistepScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    HeunDiscreteScheduler,
    KDPM2DiscreteScheduler,
    LMSDiscreteScheduler,
    PNDMScheduler,
    UniPCMultistepScheduler,
)

from models.noise_schedulers import NOISE_SCHEDULERS
from pipelines.errors import GenerationError


class NoiseScheduler(Protocol):
    """What a denoising loop uses of diffusers' schedulers, whose own signatures differ.

    `order` is 2 where a step takes two UNet forwards.
    """

    config: Mapping[str, Any]
    order: int
    timesteps: torch.Tensor
    init_noise_sigma: float | torch.Tensor
    set_timesteps: Callable[..., None]
    scale_model_input: Callable[..., torch.Tensor]
    step: Callable[..., tuple[torch.Tensor, ...]]


_KINDS: Final[Mapping[str, type[Any]]] = {
    kind.__name__: kind
    for kind in (
        DDIMScheduler,
        DDPMScheduler,
        DEISMultistepScheduler,
        DPMSolverMultistepScheduler,
        EulerAncestralDiscreteScheduler,
        EulerDiscreteScheduler,
        HeunDiscreteScheduler,
        KDPM2DiscreteScheduler,
        LMSDiscreteScheduler,
        PNDMScheduler,
        UniPCMultistepScheduler,
    )
}


def read_scheduler_config(expert: Path) -> Mapping[str, Any]:
    """Read `scheduler/scheduler_config.json` of an expert's folder as it stands in the file.

    Raises:
        OSError: there is none.
    """
    text = (expert / "scheduler" / "scheduler_config.json").read_text(encoding="utf-8")
    config: dict[str, Any] = json.loads(text)
    return config


def build_noise_scheduler(name: str, config: Mapping[str, Any]) -> NoiseScheduler:
    """Build the scheduler that requests call `name` from a configuration as read from its file.

    Raises:
        GenerationError: there is no scheduler of this name.
    """
    if name not in NOISE_SCHEDULERS:
        raise GenerationError(f"There is no noise scheduler {name!r}; there are {', '.join(NOISE_SCHEDULERS)}.")
    wanted = NOISE_SCHEDULERS[name]
    kind = cast("Any", _KINDS[wanted.kind])
    return kind.from_config({**config, **wanted.overrides})
