"""What the device is and can: names, clocks, power, the rate of a large matrix product, FLOPs of forwards."""

import shutil
import subprocess
import time
from collections.abc import Callable
from typing import Any, Final

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch.utils.flop_counter import FlopCounterMode

from bench.gpu_weights import Configs
from pipelines.device import name_of

_QUERY: Final = "name,driver_version,clocks.sm,clocks.mem,clocks.max.sm,power.draw,power.limit,temperature.gpu"


def synchronize(device: torch.device) -> None:
    """Wait until the device has done all it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds(work: Callable[[], object], device: torch.device, repeats: int) -> list[float]:
    """Time some work, after one run that isn't counted."""
    work()
    taken: list[float] = []
    for _ in range(repeats):
        synchronize(device)
        began = time.perf_counter()
        work()
        synchronize(device)
        taken.append(time.perf_counter() - began)
    return taken


def device_facts(device: torch.device) -> dict[str, Any]:
    """Return what figures depend on."""
    facts: dict[str, Any] = {"device": name_of(device), "torch": torch.__version__, "cuda": torch.version.cuda}
    if device.type == "cuda":
        facts["memory_bytes"] = torch.cuda.get_device_properties(device).total_memory
    return facts


def clocks() -> dict[str, str] | None:
    """Ask nvidia-smi for clocks and power as they are now; None where there is none."""
    if (program := shutil.which("nvidia-smi")) is None:
        return None
    command = [program, f"--query-gpu={_QUERY}", "--format=csv,noheader"]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)  # noqa: S603
    first = answer.stdout.strip().split("\n")[0]
    return dict(zip(_QUERY.split(","), (part.strip() for part in first.split(",")), strict=False)) if first else None


def gemm_rate(device: torch.device, side: int, dtype: torch.dtype, repeats: int) -> float:
    """Return FLOP/s of the fastest of some square matrix products, of random numbers: zeros need less power."""
    one, other = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    return 2 * side**3 / min(seconds(lambda: one @ other, device, repeats))


@torch.no_grad()
def unet_flops(configs: Configs, name: str, width: int, height: int) -> int:
    """Count one row's forward, on the meta device."""
    config = configs[name]
    embedded = config["projection_class_embeddings_input_dim"] - configs["text_encoder_2"]["projection_dim"]
    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(dict(config))
        rows = torch.empty(1, 4, height // 8, width // 8)
        conditions = {
            "text_embeds": torch.empty(1, configs["text_encoder_2"]["projection_dim"]),
            "time_ids": torch.empty(1, embedded // config["addition_time_embed_dim"]),
        }
        text = torch.empty(1, 77, config["cross_attention_dim"])
        with FlopCounterMode(display=False) as counter:
            unet(rows, torch.tensor(1), encoder_hidden_states=text, added_cond_kwargs=conditions)
    return counter.get_total_flops()


@torch.no_grad()
def decode_flops(configs: Configs, width: int, height: int) -> int:
    """Count one picture's decode, on the meta device."""
    with torch.device("meta"):
        vae = AutoencoderKL.from_config(dict(configs["vae"]))
        with FlopCounterMode(display=False) as counter:
            vae.decode(torch.empty(1, 4, height // 8, width // 8))
    return counter.get_total_flops()
