"""One UNet forward for one or several samples, always of the same shape.

A row's result depends on how many rows it is computed with (in the last bits), never on what the others hold. So every
forward of a kind has exactly as many places, and those that nobody needs are filled with copies.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from diffusers import UNet2DConditionModel

from pipelines.denoise import Sample
from pipelines.device import DeviceMemory
from pipelines.encoding import Conditioning
from pipelines.forward import predict


@dataclass(frozen=True, slots=True)
class Place:
    """A sample and what its next step is conditioned on."""

    sample: Sample
    conditioning: Conditioning


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """A sample's rows of a forward: latents (rows, 4, height, width) as scaled, their timestep, their conditioning."""

    latents: torch.Tensor
    timestep: torch.Tensor
    conditioning: Conditioning


def predict_noise(
    unet: UNet2DConditionModel, places: Sequence[Place], width: int, memory: DeviceMemory
) -> list[torch.Tensor]:
    """Run one forward of `width` places and return each sample's noise, (rows, 4, height, width).

    All have as many rows, latents and embeddings of one shape. Nothing of a sample changes.
    """
    assert 1 <= len(places) <= width
    held = [_rows_of(place) for place in places]
    return forward(unet, [*held, *[held[0]] * (width - len(held))], memory)[: len(held)]


def _rows_of(place: Place) -> Rows:
    latents, timestep = place.sample.model_input(len(place.conditioning.prompt_embeds))
    return Rows(latents=latents, timestep=timestep, conditioning=place.conditioning)


def forward(unet: UNet2DConditionModel, held: Sequence[Rows], memory: DeviceMemory) -> list[torch.Tensor]:
    """Run one forward and return the noise of each."""
    rows = len(held[0].latents)
    conditionings = [each.conditioning for each in held]
    joined = Conditioning(
        prompt_embeds=_joined([each.prompt_embeds for each in conditionings]),
        text_embeds=_joined([each.text_embeds for each in conditionings]),
        time_ids=_joined([each.time_ids for each in conditionings]),
    )
    noise = predict(unet, _joined([each.latents for each in held]), _timesteps(held, rows), joined, memory)
    return list(noise.split(rows))


def _joined(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    return tensors[0] if len(tensors) == 1 else torch.cat(list(tensors))


def _timesteps(held: Sequence[Rows], rows: int) -> torch.Tensor:
    if len(held) == 1:
        return held[0].timestep
    # Some schedulers count in integers, some in fractions; the UNet makes floats of both.
    return torch.stack([each.timestep.float() for each in held]).repeat_interleave(rows)
