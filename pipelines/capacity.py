"""How many generations may be in flight: what each keeps on the device between its forwards, by what memory there is.

Kept are the prompt embeddings of both experts and, for each sample of a forward, the latents and what a scheduler
remembers of earlier steps. Activations are those of one forward or decode at a time, however many are in flight.
"""

import os
from typing import Final

import torch

from pipelines.loading import Expert, Weights

MOST: Final = 8
"""More than this help nobody: forwards take turns, and tasks that wait in the queue keep their order."""
SHARE: Final = 0.02
"""The part of memory that what is in flight may keep."""
_CHUNKS: Final = 16
"""Chunks of 77 tokens that a long prompt may have."""
_TOKENS: Final = 77
_PIXELS: Final = 2048 * 2048
_HISTORY: Final = 5
"""Latents a sample may keep: its own, and four that LMS and PNDM remember."""


def room_for(weights: Weights, memory: int, samples: int) -> int:
    """Return how many generations a device of `memory` bytes may have in flight, of each `samples` begun at once."""
    return max(1, min(MOST, int(memory * SHARE) // kept_bytes(weights, samples)))


def kept_bytes(weights: Weights, samples: int) -> int:
    """Return what one generation keeps at most: with a long prompt, a guidance pair, and a picture of 2048 × 2048."""
    experts = [expert for expert in (weights.base, weights.refiner) if expert is not None]
    embeddings = sum(2 * _CHUNKS * _TOKENS * _width_of(expert) * expert.unet.dtype.itemsize for expert in experts)
    latents = weights.base.unet.config["in_channels"] * _PIXELS // weights.base.vae_scale_factor**2
    # schedulers compute in float32, whatever the UNet does
    return embeddings + samples * _HISTORY * latents * torch.float32.itemsize


def _width_of(expert: Expert) -> int:
    return sum(int(stage.text_encoder.config.hidden_size) for stage in expert.text_stages)


def memory_of(device: torch.device) -> int:
    """Return the memory of the device in bytes."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
