"""One UNet forward, on as many rows as memory holds."""

from typing import Final

import torch
from diffusers import UNet2DConditionModel

from pipelines.device import DeviceMemory
from pipelines.encoding import Conditioning
from pipelines.errors import NothingFits
from pipelines.footprint import unet_bytes_per_place
from pipelines.out_of_memory import in_narrower_batches, too_large

_LATENT_PIXELS: Final = 8


def predict(
    unet: UNet2DConditionModel,
    rows: torch.Tensor,
    timestep: torch.Tensor,
    conditioning: Conditioning,
    memory: DeviceMemory,
) -> torch.Tensor:
    """Predict the noise in `rows`, (rows, 4, height, width), which the conditioning has as many of.

    Where memory doesn't hold them at once they run in narrower micro-batches, which may change the last bits.

    Raises:
        GenerationError: memory holds no single row; the sentence names a size that should fit.
    """
    # one form for every scheduler's timesteps, so that compiled code meets one shape and type; the UNet does the same
    timesteps = timestep.to(rows.device, torch.float32).expand(len(rows))

    def run(part: slice) -> torch.Tensor:
        return unet(
            rows[part],
            timesteps[part],
            encoder_hidden_states=conditioning.prompt_embeds[part],
            added_cond_kwargs={"text_embeds": conditioning.text_embeds[part], "time_ids": conditioning.time_ids[part]},
            return_dict=False,
        )[0]

    try:
        return in_narrower_batches(run, len(rows), memory)
    except NothingFits:
        height, width = (_LATENT_PIXELS * side for side in rows.shape[-2:])
        raise too_large(width, height, unet_bytes_per_place(unet) / _LATENT_PIXELS**2, memory) from None
