"""From latents to pixels, within what memory and precision allow."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final, cast

import torch
from diffusers import AutoencoderKL
from torch import nn

from pipelines.device import DeviceMemory, TorchMemory
from pipelines.errors import GenerationError, NothingFits
from pipelines.footprint import decode_bytes_per_pixel
from pipelines.out_of_memory import first_that_fits, too_large

_SMALLEST_TILE: Final = 16
_TILES_ACROSS: Final = 2


def decode(
    vae: AutoencoderKL,
    latents: torch.Tensor,
    *,
    memory: DeviceMemory | None = None,
    remark: Callable[[str], None] | None = None,
) -> bytes:
    """Decode latents of shape (1, 4, height / 8, width / 8) to height × width × 3 bytes of RGB, row by row.

    Pixels that aren't finite in half precision are decoded once more in float32. Where memory doesn't hold the picture
    at once it is decoded in tiles, whose seams may change pixels a little. `remark` hears of either, for a person.

    Raises:
        GenerationError: the latents, or even float32's pixels, are no finite numbers; or memory doesn't hold a tile,
            and the sentence names a size that should fit.
    """
    _check_finite(latents, "latents")
    memory = memory or TorchMemory(latents.device)
    tell = remark or (lambda _line: None)
    image = _within_memory(vae, latents, memory, tell)
    if not torch.isfinite(image).all() and vae.dtype is not torch.float32:
        tell("The VAE overflowed in half precision; the picture was decoded once more in float32.")
        del image
        with _in_float32(vae):
            image = _within_memory(vae, latents, memory, tell)
    _check_finite(image, "pixels")
    unit = (image * 0.5 + 0.5).clamp(0, 1).float()
    pixels = unit.mul(255).round().to(torch.uint8)
    return pixels[0].permute(1, 2, 0).contiguous().cpu().numpy().tobytes()


def _within_memory(
    vae: AutoencoderKL, latents: torch.Tensor, memory: DeviceMemory, tell: Callable[[str], None]
) -> torch.Tensor:
    def whole() -> torch.Tensor:
        # what diffusers rounds, in its order
        scaled = _unscaled(vae, latents.to(vae.dtype))
        return vae.decode(cast("torch.FloatTensor", scaled), return_dict=False)[0]

    def tiled() -> torch.Tensor:
        tell("Memory doesn't hold the picture at once; it was decoded in tiles.")
        with _tiles(vae, max(latents.shape[-2:])):
            return whole()

    try:
        return first_that_fits([whole, tiled], memory)
    except NothingFits:
        factor = _pixels_per_latent(vae)
        height, width = (factor * side for side in latents.shape[-2:])
        raise too_large(width, height, decode_bytes_per_pixel(vae), memory) from None


@contextmanager
def _tiles(vae: AutoencoderKL, longest: int) -> Generator[None, None, None]:
    """Let the VAE decode in tiles of at most half the longest side, and put it back as it was."""
    before = vae.use_tiling, vae.tile_latent_min_size, vae.tile_sample_min_size
    factor = _pixels_per_latent(vae)
    tile = max(min(longest // _TILES_ACROSS, vae.tile_latent_min_size), _SMALLEST_TILE)
    vae.use_tiling, vae.tile_latent_min_size, vae.tile_sample_min_size = True, tile, tile * factor
    try:
        yield
    finally:
        vae.use_tiling, vae.tile_latent_min_size, vae.tile_sample_min_size = before


@contextmanager
def _in_float32(vae: AutoencoderKL) -> Generator[None, None, None]:
    """Widen the VAE for a while; half precision fits float32 exactly, so it comes back bit for bit."""
    dtype = vae.dtype
    # torch's own `to`: diffusers' warns of layers to be kept in float32, and names none
    nn.Module.to(vae, torch.float32)
    try:
        yield
    finally:
        nn.Module.to(vae, dtype)


def _pixels_per_latent(vae: AutoencoderKL) -> int:
    return 2 ** (len(vae.config["block_out_channels"]) - 1)


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
