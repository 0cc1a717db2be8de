"""The noise schedulers by name, each built fresh from the configuration that came with the weights.

A scheduler object remembers its timesteps, its position and its solver's history, so no two samples may share one, and
its `config` picks up flags of its class, so it is never the source of another.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    LMSDiscreteScheduler,
    PNDMScheduler,
)

from pipelines.errors import GenerationError

NoiseScheduler: TypeAlias = (
    EulerDiscreteScheduler
    | DDIMScheduler
    | LMSDiscreteScheduler
    | DPMSolverMultistepScheduler
    | PNDMScheduler
    | DDPMScheduler
    | EulerAncestralDiscreteScheduler
)

NOISE_SCHEDULERS: Final[Mapping[str, type[NoiseScheduler]]] = {
    "EulerDiscreteScheduler": EulerDiscreteScheduler,
    "DDIMScheduler": DDIMScheduler,
    "LMSDiscreteScheduler": LMSDiscreteScheduler,
    "DPMSolverMultistepScheduler": DPMSolverMultistepScheduler,
    "PNDMScheduler": PNDMScheduler,
    "DDPMScheduler": DDPMScheduler,
    "EulerAncestralDiscreteScheduler": EulerAncestralDiscreteScheduler,
}


def read_scheduler_config(expert: Path) -> Mapping[str, Any]:
    """Read `scheduler/scheduler_config.json` of an expert's folder as it stands in the file.

    Raises:
        OSError: there is none.
    """
    config: dict[str, Any] = EulerDiscreteScheduler.load_config(expert / "scheduler", local_files_only=True)
    return config


def build_noise_scheduler(name: str, config: Mapping[str, Any]) -> NoiseScheduler:
    """Build the scheduler called `name` from a configuration as read from its file.

    Raises:
        GenerationError: there is no scheduler of this name.
    """
    if name not in NOISE_SCHEDULERS:
        raise GenerationError(f"There is no noise scheduler {name!r}; there are {', '.join(NOISE_SCHEDULERS)}.")
    return NOISE_SCHEDULERS[name].from_config(dict(config))
