"""Decoding within what precision and memory allow. Devices that run out are VAEs that say so at chosen sizes."""

from collections.abc import Sequence

import pytest
import torch
from diffusers import AutoencoderKL

from pipelines.decoding import decode
from pipelines.errors import GenerationError


class ScarceVae(AutoencoderKL):
    """A VAE on a device that holds at most `most_places` latents of one decode."""

    most_places = 10**9

    def decode(self, z, return_dict: bool = True, generator=None):  # noqa: FBT001, FBT002 - diffusers' signature
        self.decoder.register_forward_pre_hook(self._claim)
        return super().decode(z, return_dict=return_dict)

    def _claim(self, _decoder, inputs) -> None:
        if inputs[0].shape[-1] * inputs[0].shape[-2] > self.most_places:
            raise torch.OutOfMemoryError("CUDA out of memory")


class Memory:
    """A device's memory, as told by a test."""

    def __init__(self, free: int | None = None) -> None:
        self.free = free
        self.releases = 0

    def free_bytes(self) -> int | None:
        return self.free

    def release(self) -> bool:
        self.releases += 1
        return False


def tiny_vae(kind: type[AutoencoderKL] = ScarceVae) -> ScarceVae:
    torch.manual_seed(0)
    vae = kind(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(4, 8, 8, 8),
        norm_num_groups=4,
        sample_size=1024,
        scaling_factor=0.13025,
    )
    return vae.eval()


@torch.no_grad()
def run(vae, latents, memory=None) -> tuple[bytes, Sequence[str]]:
    lines: list[str] = []
    return decode(vae, latents, memory=memory or Memory(), remark=lines.append), lines


def latents_of(width: int, height: int) -> torch.Tensor:
    return torch.randn(1, 4, height // 8, width // 8, generator=torch.Generator().manual_seed(0))


def settings(vae) -> tuple[object, ...]:
    return vae.use_tiling, vae.tile_latent_min_size, vae.tile_sample_min_size, vae.dtype


def test_a_picture_that_fits_is_decoded_at_once():
    memory = Memory()
    rgb, lines = run(tiny_vae(), latents_of(128, 64), memory)
    assert (len(rgb), lines, memory.releases) == (128 * 64 * 3, [], 0)


def test_a_picture_that_doesnt_fit_is_decoded_in_tiles_and_the_vae_is_as_it_was():
    vae = tiny_vae()
    whole, _ = run(vae, latents_of(512, 256))
    before, memory = settings(vae), Memory()
    vae.most_places = 32 * 32
    tiled, lines = run(vae, latents_of(512, 256), memory)
    assert lines == ["Memory doesn't hold the picture at once; it was decoded in tiles."]
    assert memory.releases == 1
    assert settings(vae) == before
    assert len(tiled) == len(whole)
    far = sum(abs(one - other) > 8 for one, other in zip(tiled, whole, strict=True))
    assert far < 0.05 * len(whole)
    vae.most_places = 10**9
    assert run(vae, latents_of(512, 256))[0] == whole


@pytest.mark.parametrize(
    ("free", "advice"),
    [
        # 6 maps × 4 channels × 4 bytes: 96 bytes a pixel; a quarter of the pixels is half the side
        (96 * 512 * 256 // 4, "about 256 × 128 should fit"),
        (96 * 512 * 256 * 99, "about 448 × 192 should fit"),
        (None, "about 320 × 128 should fit"),
        (0, "no smaller size would fit"),
    ],
)
def test_what_fits_in_no_way_fails_in_a_sentence_with_a_size(free, advice):
    vae, memory = tiny_vae(), Memory(free)
    before = settings(vae)
    vae.most_places = 3
    with pytest.raises(GenerationError, match=f"^The device ran out of memory at 512 × 256; {advice}"):
        run(vae, latents_of(512, 256), memory)
    assert memory.releases == 2
    assert settings(vae) == before


def overflowing_vae(dtype: torch.dtype) -> AutoencoderKL:
    """Its last convolution reads activations beyond float16's 65504, and divides them away again."""
    vae = tiny_vae()
    with torch.no_grad():
        vae.decoder.conv_in.weight.mul_(3e5)
    return vae.to(dtype=dtype)


def test_half_precision_that_overflows_is_decoded_once_more_in_float32():
    vae, latents = overflowing_vae(torch.float16), latents_of(64, 64)
    bits = {name: value.clone() for name, value in vae.state_dict().items()}
    with torch.no_grad():
        assert not torch.isfinite(vae.decode(latents.half()).sample).all()
    wide = overflowing_vae(torch.float16)
    torch.nn.Module.to(wide, torch.float32)
    expected, none = run(wide, latents)
    rgb, lines = run(vae, latents)
    assert rgb == expected
    assert none == []
    assert lines == ["The VAE overflowed in half precision; the picture was decoded once more in float32."]
    assert vae.dtype is torch.float16
    assert all(torch.equal(value, bits[name]) for name, value in vae.state_dict().items())


def test_what_overflows_in_float32_too_fails():
    vae = tiny_vae()
    with torch.no_grad():
        vae.decoder.conv_out.bias.fill_(float("inf"))
    with pytest.raises(GenerationError, match="The pixels are no longer finite"):
        run(vae.to(dtype=torch.float16), latents_of(64, 64))
