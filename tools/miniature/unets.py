"""The UNets of base and refiner: SDXL's blocks with few channels."""

from typing import Any, Final

import torch
from diffusers import UNet2DConditionModel

from tools.miniature.text import PROJECTION, WIDTHS

TIME_EMBEDDING: Final = 16


def build_base() -> UNet2DConditionModel:
    """The base, which draws at all noise."""
    return _unet(
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=(48, 64, 96),
        attention_head_dim=(2, 2, 3),
        cross_attention_dim=sum(WIDTHS),
        projection_class_embeddings_input_dim=6 * TIME_EMBEDDING + PROJECTION,
    )


def build_refiner() -> UNet2DConditionModel:
    """The refiner, which draws at the least noise, knows the second encoder alone, and takes a score for beauty."""
    return _unet(
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=(48, 64, 64, 64),
        attention_head_dim=(2, 2, 2, 2),
        cross_attention_dim=WIDTHS[1],
        projection_class_embeddings_input_dim=5 * TIME_EMBEDDING + PROJECTION,
    )


def time_ids(width: int, height: int, rows: int, score: torch.Tensor | None = None) -> torch.Tensor:
    """SDXL's numbers about the picture: its size, no crop, and its size again or a score for beauty."""
    numbers = torch.tensor([[float(height), float(width), 0.0, 0.0]]).repeat(rows, 1)
    last = torch.tensor([[float(height), float(width)]]).repeat(rows, 1) if score is None else score[:, None]
    return torch.cat([numbers, last], dim=1)


def _unet(**config: Any) -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=16,
        layers_per_block=1,
        norm_num_groups=8,
        transformer_layers_per_block=1,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=TIME_EMBEDDING,
        **config,
    )
