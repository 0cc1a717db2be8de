"""From latents to pixels."""

from typing import cast

import torch
from diffusers import AutoencoderKL

from pipelines.errors import GenerationError


def decode(vae: AutoencoderKL, latents: torch.Tensor) -> bytes:
    """Decode latents of shape (1, 4, height / 8, width / 8) to height × width × 3 bytes of RGB, row by row.

    Raises:
        GenerationError: the latents or the pixels are no numbers.
    """
    _check_finite(latents, "latents")
    # what diffusers rounds, in its order
    scaled = _unscaled(vae, latents.to(vae.dtype))
    image = vae.decode(cast("torch.FloatTensor", scaled), return_dict=False)[0]
    _check_finite(image, "pixels")
    unit = (image * 0.5 + 0.5).clamp(0, 1).float()
    pixels = unit.mul(255).round().to(torch.uint8)
    return pixels[0].permute(1, 2, 0).contiguous().cpu().numpy().tobytes()


def _unscaled(vae: AutoencoderKL, latents: torch.Tensor) -> torch.Tensor:
    mean, std = (vae.config.get(name) for name in ("latents_mean", "latents_std"))
    scaling_factor = vae.config["scaling_factor"]
    if mean is None or std is None:
        return latents / scaling_factor
    mean, std = (torch.tensor(values).view(1, -1, 1, 1).to(latents) for values in (mean, std))
    return latents * std / scaling_factor + mean


def _check_finite(tensor: torch.Tensor, what: str) -> None:
    if not torch.isfinite(tensor).all():
        raise GenerationError(
            f"The {what} are no longer finite numbers; a LoRA weight or the guidance scale may be too large."
        )
