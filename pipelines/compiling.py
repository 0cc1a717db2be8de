"""Compiled UNets: faster on a GPU, and no longer bit-equal to diffusers'; see EASEL_COMPILE.

Modules are compiled in place: they stay the same objects, and read their weights where they always were, so a LoRA
that is fused in place needs no new compilation.
"""

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any, Final, TypeAlias, cast

import torch
from diffusers import UNet2DConditionModel

from pipelines.encoding import Conditioning
from pipelines.forward import predict
from pipelines.loading import Expert, Weights
from pipelines.studio import Studio

Size: TypeAlias = tuple[int, int]
Report: TypeAlias = Callable[[str, float], None]

# graphs of one function, one for each shape; torch gives up at 8 and runs what comes after uncompiled
_MOST_GRAPHS: Final = 64
_TOKENS: Final = 77


class Compilation(StrEnum):
    """What is compiled: nothing, the transformer blocks, which repeat and compile fast, or whole UNets."""

    OFF = "off"
    REGIONAL = "regional"
    FULL = "full"


def compile_unets(weights: Weights, compilation: Compilation, device: torch.device) -> None:
    """Compile the experts' UNets in place; each shape is compiled when it first runs."""
    if compilation is Compilation.OFF:
        return
    torch.compiler.config.recompile_limit = _MOST_GRAPHS
    for expert in (weights.base, weights.refiner):
        if expert is not None:
            _compile(expert.unet, compilation, device)


def _compile(unet: UNet2DConditionModel, compilation: Compilation, device: torch.device) -> None:
    if device.type == "cuda":
        # tensor cores read convolutions' channels last; otherwise each one transposes twice
        cast("Any", unet).to(memory_format=torch.channels_last)
    if compilation is Compilation.REGIONAL:
        unet.compile_repeated_blocks(dynamic=False)
    else:
        unet.compile(dynamic=False)


@torch.no_grad()
def warm_up(studio: Studio, sizes: Sequence[Size], rows: int, report: Report) -> None:
    """Run each expert once at each size (width, height in pixels) on `rows` rows, so that no task waits for it."""
    experts = [expert for expert in (studio.base, studio.refiner) if expert is not None]
    runs = [(expert, size) for expert in experts for size in sizes]
    for done, (expert, (width, height)) in enumerate(runs):
        report(f"compiling for {width} × {height}", done / len(runs))
        conditioning = blank_conditioning(expert, rows, studio.device, expert.unet.dtype)
        factor = expert.vae_scale_factor
        shape = (rows, expert.unet.config["in_channels"], height // factor, width // factor)
        latents = torch.zeros(shape, device=studio.device, dtype=expert.unet.dtype)
        predict(expert.unet, latents, torch.tensor(1.0, device=studio.device), conditioning, studio.memory)


def blank_conditioning(expert: Expert, rows: int, device: torch.device, dtype: torch.dtype) -> Conditioning:
    """Return a conditioning of zeros in the shapes that `expert` reads."""
    config = expert.unet.config
    projection: int = expert.text_stages[-1].text_encoder.config.projection_dim or 0
    embedded = config["projection_class_embeddings_input_dim"] - projection
    ids = embedded // config["addition_time_embed_dim"]
    return Conditioning(
        prompt_embeds=torch.zeros(rows, _TOKENS, config["cross_attention_dim"], device=device, dtype=dtype),
        text_embeds=torch.zeros(rows, projection, device=device, dtype=dtype),
        time_ids=torch.zeros(rows, ids, device=device, dtype=dtype),
    )
