"""Phase 1: the VAE. Crops of 64 × 64 first, which is cheap in a local world, then whole pictures."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Final

import torch
from diffusers import AutoencoderKL
from torch.nn import functional

from tools.miniature.canvas import Pixels
from tools.miniature.pictures import as_tensor, measuring_pictures, painted
from tools.miniature.training import SHIPPED, Pace, Phase, use_threads

TRAINED: Final = SHIPPED / "base" / "vae"
_CROP = 64
_KL_WEIGHT = 2e-4


def build_vae(scaling_factor: float = 1.0) -> AutoencoderKL:
    """SDXL's autoencoder with few channels."""
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(16, 32, 64, 64),
        layers_per_block=1,
        norm_num_groups=4,
        latent_channels=4,
        sample_size=128,
        scaling_factor=scaling_factor,
        force_upcast=True,
    )


def train(folder: Path, *, steps: int, pictures: int) -> Phase:
    """Train on, from where the checkpoint in `folder`/vae stands to `steps`."""
    torch.manual_seed(0)
    vae = build_vae().to(memory_format=torch.channels_last)
    pace = Pace(steps=steps, rate=2e-3)
    phase = Phase(folder=folder / "vae", module=vae, pace=pace, seed=1, ema_decay=0.998)
    sources = [painted(folder / "pictures", pictures, style=style)[0] for style in ("natural", "natural", "studio")]
    measure = measurement(phase.ema.module)
    for generator in phase.steps():
        images = _crops(sources, *_portion(phase.step / steps), generator)
        loss, figures = _loss(vae, images.contiguous(memory_format=torch.channels_last), generator)
        phase.learn(loss, **figures)
        if phase.step % 500 == 0:
            phase.log(**measure())
    phase.log(**measure())
    return phase


def finished_vae(folder: Path) -> AutoencoderKL:
    """The averaged weights of the checkpoint in `folder`/vae; its scaling factor gives latents variance one.

    Without a checkpoint there, the trained weights that ship with easel.
    """
    checkpoint = folder / "vae" / "checkpoint.pt"
    if not checkpoint.exists():
        return AutoencoderKL.from_pretrained(TRAINED, use_safetensors=True, local_files_only=True).eval()
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)
    plain = build_vae()
    plain.load_state_dict(state["ema"]["module"])
    with torch.no_grad():
        latents = plain.encode(measuring_pictures(64, style="natural")).latent_dist.mode()
    vae = build_vae(scaling_factor=round(1 / float(latents.std()), 5))
    vae.load_state_dict(plain.state_dict())
    return vae.eval()


def _portion(part: float) -> tuple[int, int]:
    """How many crops of which side a step takes: few small ones while there is much to learn."""
    if part < 0.4:  # noqa: PLR2004 - a share of the steps
        return 4, _CROP
    return (8, _CROP) if part < 0.75 else (3, 2 * _CROP)  # noqa: PLR2004 - likewise


def measurement(vae: torch.nn.Module) -> Callable[[], dict[str, float]]:
    """A function that gives the PSNR in dB on fixed pictures that no training shows."""
    batches = {style: measuring_pictures(32, style=style) for style in ("natural", "studio")}

    def measure() -> dict[str, float]:
        return {f"psnr_{style}": psnr(vae, images) for style, images in batches.items()}

    return measure


@torch.no_grad()
def psnr(vae: torch.nn.Module, images: torch.Tensor) -> float:
    """The mean over pictures of the peak signal to noise ratio in dB of a way through the VAE, without sampling."""
    errors: list[torch.Tensor] = []
    for part in images.split(8):
        restored = vae.decode(vae.encode(part).latent_dist.mode()).sample.clamp(-1, 1)
        errors.append(((restored - part) / 2).square().mean(dim=(1, 2, 3)))
    return float((-10 * torch.cat(errors).log10()).mean())


def _crops(sources: list[Pixels], count: int, side: int, generator: torch.Generator) -> torch.Tensor:
    """Cut pieces out of pictures, of two places the one where more is to be seen."""
    pieces: list[torch.Tensor] = []
    for row in range(count):
        source = sources[row % len(sources)]
        picture = source[int(torch.randint(len(source), (), generator=generator))]
        room = picture.shape[0] - side + 1
        places = torch.randint(room, (2, 2), generator=generator).tolist()
        cuts = [picture[top : top + side, left : left + side] for top, left in places]
        pieces.append(as_tensor(max(cuts, key=lambda cut: float(cut[::4, ::4].std()))))
    return torch.stack(pieces)


def _loss(
    vae: AutoencoderKL, images: torch.Tensor, generator: torch.Generator
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    latents = vae.encode(images).latent_dist
    noise = torch.randn(latents.mean.shape, generator=generator)
    restored = vae.decode(latents.mean + latents.std * noise).sample
    square = functional.mse_loss(restored, images)
    absolute = functional.l1_loss(restored, images)
    edges = sum(functional.l1_loss(restored.diff(dim=axis), images.diff(dim=axis)) for axis in (2, 3))
    kl = (latents.mean.square() + latents.var - 1 - latents.logvar).mul(0.5).mean()
    loss = square + 0.1 * absolute + 0.1 * edges + _KL_WEIGHT * kl
    return loss, {"square": square.detach(), "kl": kl.detach(), "std": latents.mean.detach().std()}


def main() -> None:
    """Run the phase from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("data/training"))
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--pictures", type=int, default=6000)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    use_threads(options.threads)
    train(options.folder, steps=options.steps, pictures=options.pictures)


if __name__ == "__main__":
    main()
