"""From files and options to a studio that is ready to draw."""

from pathlib import Path
from typing import Final

import torch

from models.memory_plan import Memory
from pipelines.compiling import Compilation, compile_unets, warm_up
from pipelines.device import TorchMemory
from pipelines.expert_files import ExpertSource
from pipelines.loading import Manner, Report, load_weights
from pipelines.options import EngineOptions
from pipelines.studio import LoraCache, Studio

_HOST: Final = TorchMemory(torch.device("cpu"))
_SHARE_OF_DEVICE: Final = 4
_SHARE_OF_HOST: Final = 8
_PAIR: Final = 2


def open_studio(
    base: Path | ExpertSource,
    refiner: Path | ExpertSource | None,
    device: torch.device,
    options: EngineOptions,
    report: Report,
    samples_per_forward: int = 1,
) -> Studio:
    """Load the weights, compile what is to be compiled, and decide what may be kept beside them.

    Raises:
        OSError, ValueError: there is no SDXL, or the device can't do what the options ask of it.
    """
    memory = TorchMemory(device)
    manner = Manner(precision=options.precision, memory=options.memory, device_bytes=memory.free_bytes())
    weights = load_weights(base, refiner, device, report, manner)
    compiled = options.compilation is not Compilation.OFF
    if compiled and weights.memory is Memory.OFFLOAD:
        raise ValueError(
            "compiled UNets must stay on the device, and its memory doesn't hold all weights; set EASEL_COMPILE to off"
        )
    compile_unets(weights, options.compilation, device)
    studio = Studio(weights, device, samples_per_forward, cache=_cache(options, memory), memory=memory)
    if compiled:
        warm_up(studio, options.compiled_sizes, _PAIR * samples_per_forward, report)
    return studio


def _cache(options: EngineOptions, memory: TorchMemory) -> LoraCache:
    asked = options.lora_cache_bytes
    if asked is not None:
        return LoraCache(file_bytes=asked, weight_bytes=asked)
    device_share = _SHARE_OF_DEVICE if memory.device.type == "cuda" else _SHARE_OF_HOST
    return LoraCache(
        file_bytes=(_HOST.free_bytes() or 0) // _SHARE_OF_HOST,
        weight_bytes=(memory.free_bytes() or 0) // device_share,
    )
