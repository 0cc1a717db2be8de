"""Phase 2: both text encoders and the base UNet, together."""

from pathlib import Path

import numpy as np
import torch
from diffusers import UNet2DConditionModel
from torch import nn
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from tools.miniature.diffusion import add_noise, weighted_loss
from tools.miniature.latents import Latents, encoded
from tools.miniature.text import TextEncoders, fragment, load_tokenizers, strew
from tools.miniature.train_vae import finished_vae
from tools.miniature.training import SHIPPED, Pace, Phase, Plan, run_from_command_line
from tools.miniature.unets import build_base, time_ids
from tools.miniature.world import NATIVE

PLAN = Plan(steps=20_000, batch=32, pictures=40_000)
_DROPPED = 0.1
_CUT = 0.1
_STREWN = 0.15


class Base(nn.Module):
    """What this phase trains."""

    def __init__(self) -> None:
        super().__init__()
        self.encoders = TextEncoders()
        self.unet: UNet2DConditionModel = build_base()

    def forward(
        self, noisy: torch.Tensor, timesteps: torch.Tensor, tokens: torch.Tensor, tokens_2: torch.Tensor
    ) -> torch.Tensor:
        """The noise it finds."""
        states, pooled = self.encoders(tokens, tokens_2)
        conditions = {"text_embeds": pooled, "time_ids": time_ids(NATIVE, NATIVE, len(noisy))}
        noise: torch.Tensor = self.unet(
            noisy, timesteps, encoder_hidden_states=states, added_cond_kwargs=conditions, return_dict=False
        )[0]
        return noise

    def load_exported(self, folder: Path) -> None:
        """Take the weights of an expert that `layout.py` wrote."""
        self.unet.load_state_dict(UNet2DConditionModel.from_pretrained(folder / "unet").state_dict())
        for name, model in (("text_encoder", CLIPTextModel), ("text_encoder_2", CLIPTextModelWithProjection)):
            encoder: nn.Module = self.encoders.get_submodule(name)
            encoder.load_state_dict(model.from_pretrained(folder / name).state_dict())


def train(folder: Path, plan: Plan) -> Phase:
    """Train on, from where the checkpoint in `folder`/unet stands to the end of the plan.

    What starts from what ships keeps its text encoders, which the refiner and the LoRA have learnt from too.
    """
    torch.manual_seed(1)
    base = Base()
    if plan.from_shipped:
        base.load_exported(SHIPPED / "base")
        base.encoders.requires_grad_(requires_grad=False)
    phase = Phase(
        folder=folder / "unet",
        module=base.to(memory_format=torch.channels_last),  # a quarter faster on a CPU
        pace=Pace(steps=plan.steps, rate=1e-3),
        seed=2,
        ema_decay=0.9995,
        log_every=100,
    )
    latents = encoded(folder / "latents", finished_vae(folder), plan.pictures, style="natural")
    tokenizers = load_tokenizers(folder / "tokenizers")
    for generator in phase.steps():
        values, captions = draw_batch(latents, plan.batch, generator)
        noised = add_noise(values, generator)
        predicted = phase.module(noised.noisy, noised.timesteps, *tokenizers.read(captions))
        loss, error = weighted_loss(predicted, noised)
        phase.learn(loss, error=error)
    return phase


def draw_batch(latents: Latents, batch: int, generator: torch.Generator) -> tuple[torch.Tensor, list[str]]:
    """Draw rows at random; some captions are dropped, which guidance needs, some cut short, some strewn with words."""
    rows = torch.randint(len(latents.captions), (batch,), generator=generator).tolist()
    rng = np.random.default_rng(int(torch.randint(2**31, (), generator=generator)))
    captions: list[str] = []
    for row in rows:
        fate = rng.random()
        caption = latents.captions[row]
        if fate < _DROPPED:
            caption = ""
        elif fate < _DROPPED + _CUT:
            caption = fragment(caption, rng)
        elif fate > 1 - _STREWN:
            caption = strew(caption, rng)
        captions.append(caption)
    return latents.values[rows].float(), captions


def finished_base(folder: Path) -> Base:
    """The averaged weights of the checkpoint in `folder`/unet; without one there, those that ship with easel."""
    base = Base()
    checkpoint = folder / "unet" / "checkpoint.pt"
    if checkpoint.exists():
        base.load_state_dict(torch.load(checkpoint, map_location="cpu", weights_only=True)["ema"]["module"])
    else:
        base.load_exported(SHIPPED / "base")
    return base.eval()


if __name__ == "__main__":
    run_from_command_line(train, __doc__, PLAN)
