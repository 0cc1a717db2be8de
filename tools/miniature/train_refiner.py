"""Phase 3: the refiner, which draws the last fifth of the noise, for the second text encoder of phase 2."""

import argparse
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from torch.nn import functional

from tools.miniature.diffusion import TIMESTEPS, add_noise, weighted_loss
from tools.miniature.latents import encoded
from tools.miniature.text import load_tokenizers
from tools.miniature.train_unet import draw_batch, finished_base
from tools.miniature.train_vae import finished_vae
from tools.miniature.training import Pace, Phase, use_threads
from tools.miniature.unets import build_refiner, time_ids
from tools.miniature.world import NATIVE

_BELOW = TIMESTEPS // 5
# pictures of this score and above are as they should be; the worst are blurred and grainy
_FLAWLESS = 5.0
_WORST, _BEST = 2.0, 7.0


def train(folder: Path, *, steps: int, batch: int, pictures: int) -> Phase:
    """Train on, from where the checkpoint in `folder`/refiner stands to `steps`."""
    torch.manual_seed(2)
    encoder = finished_base(folder).encoders.text_encoder_2
    unet = build_refiner().to(memory_format=torch.channels_last)
    phase = Phase(folder=folder / "refiner", module=unet, pace=Pace(steps=steps, rate=1e-3), seed=3)
    latents = encoded(folder / "latents", finished_vae(folder), pictures, style="natural")
    tokenizers = load_tokenizers(folder / "tokenizers")
    for generator in phase.steps():
        values, captions = draw_batch(latents, batch, generator)
        scores = _WORST + (_BEST - _WORST) * torch.rand(batch, generator=generator)
        noised = add_noise(spoil(values, scores, generator), generator, below=_BELOW)
        with torch.no_grad():
            states = encoder(tokenizers.read(captions)[1], output_hidden_states=True)
        conditions = {"text_embeds": states.text_embeds, "time_ids": time_ids(NATIVE, NATIVE, batch, scores)}
        predicted = phase.module(
            noised.noisy,
            noised.timesteps,
            encoder_hidden_states=states.hidden_states[-2],
            added_cond_kwargs=conditions,
            return_dict=False,
        )[0]
        loss, error = weighted_loss(predicted, noised)
        phase.learn(loss, error=error)
    return phase


def spoil(latents: torch.Tensor, scores: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Blur and roughen what has a low score for beauty, so that the refiner learns what the score means."""
    flaw = ((_FLAWLESS - scores) / (_FLAWLESS - _WORST)).clamp(min=0).view(-1, 1, 1, 1)
    padded = functional.pad(latents, (1, 1, 1, 1), mode="replicate")
    blurred = functional.avg_pool2d(padded, 3, stride=1)
    return latents.lerp(blurred, 0.7 * flaw) + 0.15 * flaw * torch.randn(latents.shape, generator=generator)


def finished_refiner(folder: Path) -> UNet2DConditionModel:
    """The averaged weights of the checkpoint in `folder`/refiner."""
    unet = build_refiner()
    state = torch.load(folder / "refiner" / "checkpoint.pt", map_location="cpu", weights_only=True)
    unet.load_state_dict(state["ema"]["module"])
    return unet.eval()


def main() -> None:
    """Run the phase from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("data/training"))
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--pictures", type=int, default=20_000)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    use_threads(options.threads)
    train(options.folder, steps=options.steps, batch=options.batch, pictures=options.pictures)


if __name__ == "__main__":
    main()
