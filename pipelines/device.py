"""The device: which one, in what precision, how much memory it has left."""

import gc
from dataclasses import dataclass
from typing import Final, Protocol

import torch

_PRECISIONS: Final = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}
_MEMINFO: Final = "/proc/meminfo"


class DeviceMemory(Protocol):
    """What is asked of a device's memory when it runs short."""

    def free_bytes(self) -> int | None:
        """Return how much could be allocated now; None where nobody can say."""
        ...

    def release(self) -> bool:
        """Give back what is held without being used; return whether anything was given up that had been kept."""
        ...

    def in_use(self) -> tuple[int, int]:
        """Return how many bytes of the device's memory are in use, by anybody, and how many it has; 0, 0: unknown."""
        ...


@dataclass(frozen=True, slots=True)
class TorchMemory:
    """The memory of one of torch's devices."""

    device: torch.device

    def free_bytes(self) -> int | None:
        """Return how much could be allocated now, what torch holds in reserve included."""
        if self.device.type == "cuda":
            reserved = torch.cuda.memory_reserved(self.device) - torch.cuda.memory_allocated(self.device)
            return torch.cuda.mem_get_info(self.device)[0] + reserved
        return _available_host_bytes()

    def release(self) -> bool:
        """Collect what nobody refers to any more, and give back torch's reserve: nothing that would be missed."""
        gc.collect()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        return False

    def in_use(self) -> tuple[int, int]:
        """Return how many bytes of a GPU's memory are in use, and how many it has."""
        if self.device.type != "cuda":
            return 0, 0  # the host's memory is everybody's
        free, total = torch.cuda.mem_get_info(self.device)
        return total - free, total


def device_of(name: str) -> torch.device:
    """Return the device called "cpu", "cuda", "cuda:N", or "auto": a CUDA device if there is one."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(name)


def name_of(device: torch.device) -> str:
    """Name a device as a person would."""
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)} ({device})"
    threads = torch.get_num_threads()
    return f"{device.type}, {threads} thread{'s' if threads > 1 else ''}"


def choose_dtype(precision: str, device: torch.device) -> torch.dtype:
    """Return the dtype of UNets and text encoders.

    auto: float16 where the device computes it fast, float32 elsewhere.

    Raises:
        ValueError: there is no such precision, or the device doesn't have it.
    """
    if precision == "auto":
        return torch.float16 if device.type == "cuda" else torch.float32
    if precision not in _PRECISIONS:
        raise ValueError(f"there is no precision {precision!r}; there are auto, {', '.join(_PRECISIONS)}")
    # the first generation with bfloat16 is Ampere, of capability 8.0
    if precision == "bfloat16" and device.type == "cuda" and torch.cuda.get_device_capability(device) < (8, 0):
        raise ValueError(f"{name_of(device)} has no bfloat16; set EASEL_DTYPE to float16")
    return _PRECISIONS[precision]


def choose_vae_dtype(dtype: torch.dtype, *, force_upcast: bool) -> torch.dtype:
    """Return the dtype of a VAE beside a UNet of `dtype`.

    The stock SDXL VAE overflows in float16, which its configuration says with `force_upcast`: it stays in float32. Its
    repaired kin (`force_upcast` false) runs in float16. bfloat16 has float32's range, so either runs in it.
    """
    return torch.float32 if dtype is torch.float16 and force_upcast else dtype


def _available_host_bytes() -> int | None:
    try:
        with open(_MEMINFO, encoding="ascii") as file:  # noqa: PTH123 - no path of ours
            line = next(line for line in file if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return None
    return int(line.split()[1]) * 1024
