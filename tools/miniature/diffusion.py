"""SDXL's noise, and the loss that teaches a UNet to find it."""

from dataclasses import dataclass
from typing import Final

import torch
from diffusers import DDPMScheduler

TIMESTEPS: Final = 1000
_OFFSET_NOISE: Final = 0.1


@dataclass(frozen=True, slots=True)
class Noised:
    """Latents with noise on them, the noise itself, and each row's timestep."""

    noisy: torch.Tensor
    noise: torch.Tensor
    timesteps: torch.Tensor


def alphas_cumprod() -> torch.Tensor:
    """How much of the picture's variance is left at each timestep, by SDXL's schedule."""
    scheduler = DDPMScheduler(
        num_train_timesteps=TIMESTEPS, beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear"
    )
    alphas: torch.Tensor = scheduler.alphas_cumprod
    return alphas


def add_noise(latents: torch.Tensor, generator: torch.Generator, *, below: int = TIMESTEPS) -> Noised:
    """Noise each row at a random timestep below a bound, spread evenly over the batch.

    Each channel's noise is shifted a little as a whole (offset noise), or the mean of a latent, which is the picture's
    colour, would still show at the last timestep, where drawing starts from noise that has none.
    """
    rows = len(latents)
    even = (torch.arange(rows) + torch.rand(rows, generator=generator)) / rows
    timesteps = (even * below).long().clamp(max=below - 1)[torch.randperm(rows, generator=generator)]
    noise = torch.randn(latents.shape, generator=generator)
    noise = noise + _OFFSET_NOISE * torch.randn((*latents.shape[:2], 1, 1), generator=generator)
    kept = alphas_cumprod()[timesteps].view(-1, 1, 1, 1)
    return Noised(kept.sqrt() * latents + (1 - kept).sqrt() * noise, noise, timesteps)


def weighted_loss(predicted: torch.Tensor, noised: Noised) -> tuple[torch.Tensor, torch.Tensor]:
    """The loss, and the plain mean square error for the log.

    An error in the noise is an error in the picture times noise over signal. Where there is much noise it counts for
    more than in the plain loss (which hardly asks for colours there), where there is little for less (min-SNR).
    """
    kept = alphas_cumprod()[noised.timesteps]
    signal_to_noise = kept / (1 - kept)
    weights = (1 + 1 / signal_to_noise).clamp(max=8) * (5 / signal_to_noise).clamp(max=1)
    squares = (predicted - noised.noise).square().mean(dim=(1, 2, 3))
    return (weights * squares).sum() / weights.sum(), squares.detach().mean()
