"""The denoising of one sample: which timesteps each expert runs, and one step at a time.

The numbers are diffusers': `StableDiffusionXLPipeline` up to `denoising_end`, then `StableDiffusionXLImg2ImgPipeline`
from `denoising_start`, one generator for both.
"""

import inspect
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import torch
from diffusers.utils.torch_utils import randn_tensor

from pipelines.contract import Phase
from pipelines.noise_schedulers import NoiseScheduler, build_noise_scheduler
from pipelines.preview import Outlook


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """One expert's part of one sample: its own scheduler, and the timesteps it runs, highest first."""

    phase: Phase
    scheduler: NoiseScheduler
    timesteps: torch.Tensor

    def copy(self) -> "Leg":
        """Return the same part for another sample, with a scheduler of its own.

        Planning anew would cost more: some schedulers take a tenth of a second for their timesteps.
        """
        return replace(self, scheduler=deepcopy(self.scheduler))


def base_leg(
    name: str, config: Mapping[str, Any], *, steps: int, denoising_end: float | None, device: torch.device
) -> Leg:
    """Plan the base: all of the schedule, or the part before `denoising_end` of (0, 1); that may be no step at all."""
    scheduler = build_noise_scheduler(name, config)
    scheduler.set_timesteps(steps, device=device)
    timesteps = scheduler.timesteps
    if denoising_end is not None:
        timesteps = timesteps[: int((timesteps >= _cutoff(scheduler, denoising_end)).sum())]
    _set_begin_index(scheduler, 0)
    return Leg(phase=Phase.BASE, scheduler=scheduler, timesteps=timesteps)


def refiner_leg(
    name: str, config: Mapping[str, Any], *, steps: int, denoising_start: float, device: torch.device
) -> Leg:
    """Plan the refiner: the part of its own schedule after `denoising_start` of (0, 1).

    Of a second-order scheduler that may be one more, so that no pair is begun in its middle.
    """
    scheduler = build_noise_scheduler(name, config)
    scheduler.set_timesteps(steps, device=device)
    count = int((scheduler.timesteps < _cutoff(scheduler, denoising_start)).sum())
    count += scheduler.order == 2 and count % 2 == 0  # noqa: PLR2004
    start = len(scheduler.timesteps) - count
    _set_begin_index(scheduler, start)
    return Leg(phase=Phase.REFINER, scheduler=scheduler, timesteps=scheduler.timesteps[start:])


def _cutoff(scheduler: NoiseScheduler, fraction: float) -> int:
    trained = scheduler.config["num_train_timesteps"]
    return round(trained - fraction * trained)


def _set_begin_index(scheduler: NoiseScheduler, index: int) -> None:
    # DDIM, DDPM and the like find their place by the timestep's value
    if set_begin_index := getattr(scheduler, "set_begin_index", None):
        set_begin_index(index)


class Sample:
    """One picture on its way: latents (1, 4, height, width), the generator of all its noise, its place in its legs."""

    def __init__(self, legs: tuple[Leg, ...], generator: torch.Generator, first_noise: torch.Tensor) -> None:
        self._legs = legs
        self._generator = generator
        self._leg = 0
        self._step = 0
        self.latents = first_noise
        self.outlook: Outlook | None = None
        self._skip_empty_legs()

    @property
    def phase(self) -> Phase:
        """What comes next: a step in base or refiner, or the decode."""
        return self._legs[self._leg].phase if self._leg < len(self._legs) else Phase.DECODE

    def model_input(self, rows: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return what the expert of `phase` reads: latents (rows, 4, height, width) as scaled, and the timestep."""
        leg = self._legs[self._leg]
        timestep = leg.timesteps[self._step]
        latents = torch.cat([self.latents] * rows) if rows > 1 else self.latents
        return leg.scheduler.scale_model_input(latents, timestep), timestep

    def advance(self, noise: torch.Tensor, guidance_scale: float) -> None:
        """Take one scheduler step along predicted noise of (rows, 4, height, width); two rows are a guidance pair."""
        leg = self._legs[self._leg]
        timestep = leg.timesteps[self._step]
        if len(noise) > 1:
            negative, positive = noise.chunk(2)
            noise = negative + guidance_scale * (positive - negative)
        self.outlook = Outlook(leg.scheduler, self.latents, timestep, noise)
        self.latents = _step_scheduler(leg.scheduler, noise, timestep, self.latents, self._generator)
        self._step += 1
        self._skip_empty_legs()

    def _skip_empty_legs(self) -> None:
        while self._leg < len(self._legs) and self._step >= len(self._legs[self._leg].timesteps):
            self._leg, self._step = self._leg + 1, 0


def start_sample(
    legs: tuple[Leg, ...], *, seed: int, shape: tuple[int, int, int, int], device: torch.device, dtype: torch.dtype
) -> Sample:
    """Draw the first noise on a CPU generator, at the first leg's strength."""
    generator = torch.Generator("cpu").manual_seed(seed)
    noise = randn_tensor(shape, generator=generator, device=device, dtype=dtype)
    return Sample(legs, generator, noise * legs[0].scheduler.init_noise_sigma)


def _step_scheduler(
    scheduler: NoiseScheduler,
    noise: torch.Tensor,
    timestep: torch.Tensor,
    latents: torch.Tensor,
    generator: torch.Generator,
) -> torch.Tensor:
    accepts_generator = "generator" in inspect.signature(scheduler.step).parameters
    extra = {"generator": generator} if accepts_generator else {}
    return scheduler.step(noise, timestep, latents, **extra, return_dict=False)[0]
