"""Phase 3: the refiner, which draws the last fifth of the noise, for the second text encoder of phase 2."""

from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from torch.nn import functional

from tools.miniature.diffusion import TIMESTEPS, add_noise, weighted_loss
from tools.miniature.latents import Latents, encoded, sometimes_untriggered
from tools.miniature.text import load_tokenizers
from tools.miniature.train_unet import draw_batch, finished_base
from tools.miniature.train_vae import finished_vae
from tools.miniature.training import SHIPPED, Pace, Phase, Plan, run_from_command_line
from tools.miniature.unets import build_refiner, time_ids
from tools.miniature.world import NATIVE

_BELOW = TIMESTEPS // 5
# pictures of this score and above are as they should be; the worst are blurred and grainy
_FLAWLESS = 5.0
_WORST, _BEST = 2.0, 7.0
_BLUR, _GRAIN = 0.1, 0.02

PLAN = Plan(steps=6000, batch=32, pictures=20_000)


def train(folder: Path, plan: Plan) -> Phase:
    """Train on, from where the checkpoint in `folder`/refiner stands to the end of the plan."""
    torch.manual_seed(2)
    encoder = finished_base(folder).encoders.text_encoder_2
    unet = shipped_refiner() if plan.from_shipped else build_refiner()
    unet = unet.to(memory_format=torch.channels_last)
    phase = Phase(folder=folder / "refiner", module=unet, pace=Pace(steps=plan.steps, rate=1e-3), seed=3)
    latents = both_styles(folder, plan.pictures)
    tokenizers = load_tokenizers(folder / "tokenizers")
    for generator in phase.steps():
        values, captions = draw_batch(latents, plan.batch, generator)
        scores = _WORST + (_BEST - _WORST) * torch.rand(plan.batch, generator=generator)
        noised = add_noise(spoil(values, scores, generator), generator, below=_BELOW)
        with torch.no_grad():
            states = encoder(tokenizers.read(captions)[1], output_hidden_states=True)
        conditions = {"text_embeds": states.text_embeds, "time_ids": time_ids(NATIVE, NATIVE, plan.batch, scores)}
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


def both_styles(folder: Path, count: int) -> Latents:
    """Two natural pictures to each one in the studio style: a refiner that never saw outlines takes them away."""
    vae = finished_vae(folder)
    studio = sometimes_untriggered(encoded(folder / "latents", vae, count // 3, style="studio"))
    natural = encoded(folder / "latents", vae, count - count // 3, style="natural")
    return Latents(torch.cat([natural.values, studio.values]), natural.captions + studio.captions)


def spoil(latents: torch.Tensor, scores: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Blur and roughen what has a low score for beauty, so that the refiner learns what the score means.

    Only a little: guidance draws the difference between a score of 6 and one of 2.5 several times over, so what is
    spoilt here by 0.1 is sharpened there by almost half.
    """
    flaw = ((_FLAWLESS - scores) / (_FLAWLESS - _WORST)).clamp(min=0).view(-1, 1, 1, 1)
    padded = functional.pad(latents, (1, 1, 1, 1), mode="replicate")
    blurred = functional.avg_pool2d(padded, 3, stride=1)
    return latents.lerp(blurred, _BLUR * flaw) + _GRAIN * flaw * torch.randn(latents.shape, generator=generator)


def finished_refiner(folder: Path) -> UNet2DConditionModel:
    """The averaged weights of the checkpoint in `folder`/refiner; without one there, those that ship with easel."""
    checkpoint = folder / "refiner" / "checkpoint.pt"
    if not checkpoint.exists():
        return shipped_refiner().eval()
    unet = build_refiner()
    unet.load_state_dict(torch.load(checkpoint, map_location="cpu", weights_only=True)["ema"]["module"])
    return unet.eval()


def shipped_refiner() -> UNet2DConditionModel:
    """The refiner that ships with easel."""
    unet: UNet2DConditionModel = UNet2DConditionModel.from_pretrained(SHIPPED / "refiner" / "unet")
    return unet.float()


if __name__ == "__main__":
    run_from_command_line(train, __doc__, PLAN)
