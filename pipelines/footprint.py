"""How much memory a forward takes beside its weights, by its module's widths.

Both factors were counted on the full-size SDXL: the tensors alive at the worst moment of one forward, operator by
operator (`tools/footprint.py`). What cuDNN and the allocator take on top isn't in them.
"""

from typing import Final

from diffusers import AutoencoderKL, UNet2DConditionModel

# three feature maps of twice the first width, at full resolution
_VAE_MAPS: Final = 6
# per place of the latents: skip connections and the widest feed-forward layer
_UNET_MAPS: Final = 16


def decode_bytes_per_pixel(vae: AutoencoderKL) -> float:
    """Return what decoding takes for each pixel of the picture."""
    return _VAE_MAPS * vae.config["block_out_channels"][0] * vae.dtype.itemsize


def unet_bytes_per_place(unet: UNet2DConditionModel) -> float:
    """Return what one row of a forward takes for each place of its latents."""
    return _UNET_MAPS * unet.config["block_out_channels"][0] * unet.dtype.itemsize
