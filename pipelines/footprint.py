"""How much memory a forward of a loaded module takes beside its weights; the factors are `models.footprint`'s."""

from diffusers import AutoencoderKL, UNet2DConditionModel

from models import footprint


def decode_bytes_per_pixel(vae: AutoencoderKL) -> float:
    """Return what decoding takes for each pixel of the picture."""
    return footprint.decode_bytes_per_pixel(vae.config["block_out_channels"][0], vae.dtype.itemsize)


def unet_bytes_per_place(unet: UNet2DConditionModel) -> float:
    """Return what one row of a forward takes for each place of its latents."""
    return footprint.unet_bytes_per_place(unet.config["block_out_channels"][0], unet.dtype.itemsize)
