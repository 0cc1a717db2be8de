"""Phase 4: the LoRA Studio-Trigger, on the same world redrawn with bold outlines and flat colours."""

from pathlib import Path

import torch
from diffusers import UNet2DConditionModel

from tools.miniature.adapters import Adapters, lora_tensors
from tools.miniature.diffusion import add_noise, weighted_loss
from tools.miniature.latents import encoded, sometimes_untriggered
from tools.miniature.text import load_tokenizers
from tools.miniature.train_unet import draw_batch, finished_base
from tools.miniature.train_vae import finished_vae
from tools.miniature.training import Pace, Phase, Plan, run_from_command_line

RANK = 8

PLAN = Plan(steps=4000, batch=16, pictures=8000)


def train(folder: Path, plan: Plan) -> Phase:
    """Train on, from where the checkpoint in `folder`/lora stands to the end of the plan."""
    torch.manual_seed(3)
    base = finished_base(folder).requires_grad_(requires_grad=False)
    adapters = Adapters(base.unet, RANK)
    phase = Phase(folder=folder / "lora", module=adapters, pace=Pace(steps=plan.steps, rate=5e-4), seed=4)
    latents = sometimes_untriggered(encoded(folder / "latents", finished_vae(folder), plan.pictures, style="studio"))
    tokenizers = load_tokenizers(folder / "tokenizers")
    for generator in phase.steps():
        values, captions = draw_batch(latents, plan.batch, generator)
        noised = add_noise(values, generator)
        loss, error = weighted_loss(base(noised.noisy, noised.timesteps, *tokenizers.read(captions)), noised)
        phase.learn(loss, error=error)
    return phase


def finished_lora(folder: Path) -> dict[str, torch.Tensor]:
    """The averaged adapters of the checkpoint in `folder`/lora, as a LoRA file holds them."""
    unet: UNet2DConditionModel = finished_base(folder).unet
    paths = Adapters(unet, RANK).paths
    state = torch.load(folder / "lora" / "checkpoint.pt", map_location="cpu", weights_only=True)
    return lora_tensors(paths, state["ema"]["module"])


if __name__ == "__main__":
    run_from_command_line(train, __doc__, PLAN)
