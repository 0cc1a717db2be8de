"""Single forwards: the base UNet at several widths, with a LoRA and without, changing LoRAs, and a decode."""

import contextlib
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch

from bench.gpu_device import seconds, synchronize
from bench.gpu_weights import Configs, RandomSource, write_lora
from pipelines.compiling import Compilation, blank_conditioning
from pipelines.contract import LoraUse
from pipelines.forward import predict
from pipelines.lora import NO_LORA, LoraSet
from pipelines.opening import open_studio
from pipelines.options import EngineOptions
from pipelines.studio import Studio

WIDTHS: Final = (2, 4, 8)
_RANK: Final = 64
_CHANGES: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Forwards:
    """Medians. Keys of `milliseconds_per_row` are rows of one forward.

    `lora_ratio`: a forward with a fused LoRA by one without. Changing LoRAs: with the one that comes computed anew
    (`change_milliseconds`), and kept from before (`kept_change_milliseconds`); `recompiled`: whether that compiled.
    """

    milliseconds_per_row: dict[int, float]
    lora_ratio: float
    change_milliseconds: float
    kept_change_milliseconds: float
    recompiled: bool | None
    decode_milliseconds: float


@torch.no_grad()
def measure_forwards(
    configs: Configs, device: torch.device, options: EngineOptions, side: int, repeats: int
) -> Forwards:
    """Open a studio of its own and measure."""
    studio = open_studio(RandomSource("base", configs, device), None, device, options, lambda _what, _done: None)
    per_row = {rows: _forward_seconds(studio, side, rows, repeats) / rows * 1000 for rows in WIDTHS}
    with tempfile.TemporaryDirectory() as folder:
        first, second = (_lora(studio, Path(folder), seed) for seed in range(2))
    plain = _forward_seconds(studio, side, WIDTHS[0], repeats)
    changes = [_change_seconds(studio, (first, second)[number % 2]) for number in range(_CHANGES)]
    compiled = options.compilation is not Compilation.OFF
    guard = torch.compiler.set_stance("fail_on_recompile") if compiled else contextlib.nullcontext()
    recompiled = False if compiled else None
    try:
        with guard:
            worn = _forward_seconds(studio, side, WIDTHS[0], repeats)
    except RuntimeError:
        recompiled, worn = True, _forward_seconds(studio, side, WIDTHS[0], repeats)
    studio.dress_unet(NO_LORA)
    latents = torch.randn(1, 4, side // 8, side // 8, device=device, dtype=studio.base.unet.dtype) / 10
    decode = min(seconds(lambda: studio.decode(studio.base, latents, lambda _line: None), device, repeats))
    return Forwards(
        milliseconds_per_row=per_row,
        lora_ratio=worn / plain,
        change_milliseconds=1000 * max(changes[:2]),
        kept_change_milliseconds=1000 * min(changes[2:]),
        recompiled=recompiled,
        decode_milliseconds=1000 * decode,
    )


def _forward_seconds(studio: Studio, side: int, rows: int, repeats: int) -> float:
    unet = studio.base.unet
    conditioning = blank_conditioning(studio.base, rows, studio.device, unet.dtype)
    latents = torch.randn(rows, 4, side // 8, side // 8, device=studio.device, dtype=unet.dtype)
    timestep = torch.tensor(500.0, device=studio.device)
    taken = seconds(lambda: predict(unet, latents, timestep, conditioning, studio.memory), studio.device, repeats)
    return sorted(taken)[len(taken) // 2]


def _lora(studio: Studio, folder: Path, seed: int) -> LoraSet:
    file = write_lora(folder, f"lora-{seed}", {"unet": studio.base.unet}, _RANK, seed)
    return studio.read_loras([LoraUse(name=file.stem, path=str(file), weight=0.5)])


def _change_seconds(studio: Studio, loras: LoraSet) -> float:
    synchronize(studio.device)
    began = time.perf_counter()
    studio.dress_unet(loras)
    synchronize(studio.device)
    return time.perf_counter() - began
