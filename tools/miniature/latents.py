"""The training pictures as the VAE sees them, kept in shards, so that the UNets need no painter and no encoder."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL

from models.vocabulary import read_vocabulary
from tools.miniature.pictures import FIRST_TRAINING_SEED, as_tensor
from tools.miniature.world import Style, draw_example

_SHARD = 1000
_BATCH = 20


@dataclass(frozen=True, slots=True)
class Latents:
    """Scaled latents (count, 4, height / 8, width / 8) in float16, and their captions."""

    values: torch.Tensor
    captions: list[str]


def encoded(folder: Path, vae: AutoencoderKL, count: int, *, style: Style) -> Latents:
    """The first `count` training pictures of a style, encoded; what lies in `folder` already isn't made again."""
    folder.mkdir(parents=True, exist_ok=True)
    parts: list[torch.Tensor] = []
    captions: list[str] = []
    for shard in range(-(-count // _SHARD)):
        path = folder / f"{style}-{shard:03d}.npy"
        if not path.with_suffix(".json").exists():
            _encode_shard(path, vae, shard, style)
        parts.append(torch.from_numpy(np.load(path)))
        captions += json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    return Latents(torch.cat(parts)[:count], captions[:count])


def sometimes_untriggered(latents: Latents) -> Latents:
    """Every other caption without the trigger words: what is learnt of the style shows without them too."""
    prefix = f"{read_vocabulary().trigger}, "
    captions = [caption.removeprefix(prefix) if row % 2 else caption for row, caption in enumerate(latents.captions)]
    return Latents(latents.values, captions)


def _encode_shard(path: Path, vae: AutoencoderKL, shard: int, style: Style) -> None:
    held_out = read_vocabulary().held_out()
    seeds = range(FIRST_TRAINING_SEED + shard * _SHARD, FIRST_TRAINING_SEED + (shard + 1) * _SHARD)
    captions: list[str] = []
    parts: list[torch.Tensor] = []
    for start in range(0, _SHARD, _BATCH):
        examples = [draw_example(seed, style=style, held_out=held_out) for seed in seeds[start : start + _BATCH]]
        parts.append(encode_pixels(vae, as_tensor(np.stack([example.pixels for example in examples]))))
        captions += [example.caption for example in examples]
    np.save(path, torch.cat(parts).half().numpy())
    path.with_suffix(".json").write_text(json.dumps(captions), encoding="utf-8")


@torch.no_grad()
def encode_pixels(vae: AutoencoderKL, images: torch.Tensor) -> torch.Tensor:
    """Scaled latents of images of -1 to 1."""
    latents: torch.Tensor = vae.encode(images).latent_dist.mode()
    return latents * vae.config["scaling_factor"]
