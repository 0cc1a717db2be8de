"""How much memory a forward takes beside its weights, by its network's first width and the bytes of a number.

Both factors were counted on the full-size SDXL: the tensors alive at the worst moment of one forward, operator by
operator (`tools/footprint.py`). What cuDNN and the allocator take on top isn't in them.
"""

from typing import Final

LATENT_PIXELS: Final = 8
"""Pixels per latent, along each side."""

# three feature maps of twice the first width, at full resolution
_VAE_MAPS: Final = 6
# per place of the latents: skip connections and the widest feed-forward layer
_UNET_MAPS: Final = 16


def decode_bytes_per_pixel(width: int, number_bytes: int) -> float:
    """Return what decoding takes for each pixel of the picture."""
    return _VAE_MAPS * width * number_bytes


def unet_bytes_per_place(width: int, number_bytes: int) -> float:
    """Return what one row of a UNet's forward takes for each place of its latents."""
    return _UNET_MAPS * width * number_bytes
