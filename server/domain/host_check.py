"""What is wrong with a host, or with a container on it, judged from facts; each sentence says how to mend it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_DRIVERS: Final = {11: (450, 80), 12: (525, 60), 13: (580, 65)}
"""The oldest NVIDIA driver for each of CUDA's major versions, on Linux."""
_SHM: Final = "/dev/shm"  # noqa: S108 named, not written
_SHARED_MEMORY: Final = 64 * 2**20
_SHARED_FOR_COMPILING: Final = 1 << 30
_SKEW_NOTE: Final = 2.0
_SKEW_BAD: Final = 60.0


class Verdict(StrEnum):
    """How a check came out. Only BAD makes the command fail."""

    OK = "ok"
    NOTE = "note"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    verdict: Verdict
    subject: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFacts:
    """What is known of GPUs without loading torch.

    `torch` is its version, "" where it isn't installed; `cuda` the CUDA it was built with, or "". `driver` is the
    NVIDIA driver's version, "" where none is seen; `gpus` are names of the GPUs that this process may use.
    """

    device: str
    torch: str = ""
    cuda: str = ""
    driver: str = ""
    gpus: Sequence[str] = ()
    container: bool = False


def judge_device(facts: DeviceFacts) -> Finding:
    """Say what EASEL_DEVICE will come to."""
    if facts.device == "cpu" or (facts.device == "auto" and not facts.driver and not facts.cuda):
        return Finding(Verdict.NOTE, "device", "no GPU will be used: fine for the miniature, very slow for real SDXL.")
    if not (facts.driver and facts.gpus):
        verdict = Verdict.BAD if facts.device.startswith("cuda") else Verdict.NOTE
        return Finding(verdict, "device", _no_gpu(facts) if facts.driver else _no_driver(facts))
    return _judge_gpu(facts)


def _judge_gpu(facts: DeviceFacts) -> Finding:
    if facts.torch and not facts.cuda:
        what = f"an NVIDIA driver is here, but torch {facts.torch} can't use the GPU: install torch with CUDA."
        return Finding(Verdict.NOTE, "device", what)
    oldest = _DRIVERS.get(int(facts.cuda.partition(".")[0])) if facts.cuda else None
    if oldest is not None and () < _numbers(facts.driver) < oldest:
        what = (
            f"driver {facts.driver} is too old for torch {facts.torch} (CUDA {facts.cuda}): on the host, install "
            f"driver {oldest[0]} or later, or build the image with TORCH_INDEX of an older CUDA."
        )
        return Finding(Verdict.BAD, "device", what)
    index = int(facts.device.partition(":")[2] or 0)
    if index >= len(facts.gpus):
        what = f"EASEL_DEVICE is {facts.device}, but only {len(facts.gpus)} GPU(s) can be seen, counted from 0."
        return Finding(Verdict.BAD, "device", what)
    return Finding(Verdict.OK, "device", f"{facts.gpus[index]}, driver {facts.driver} ({facts.device})")


def _no_driver(facts: DeviceFacts) -> str:
    if facts.container:
        return (
            "no NVIDIA driver can be seen in this container: install the NVIDIA container toolkit on the host and "
            "give the container a GPU (docker run --gpus all, or a device reservation in compose); "
            "on the CPU: EASEL_DEVICE=cpu."
        )
    if facts.device.startswith("cuda"):
        return f"EASEL_DEVICE is {facts.device}, but no NVIDIA driver was found; set it to auto or cpu."
    return "no GPU will be used, as no NVIDIA driver was found: fine for the miniature, very slow for real SDXL."


def _no_gpu(facts: DeviceFacts) -> str:
    where = (
        "this container was given none (device_ids in compose, or NVIDIA_VISIBLE_DEVICES)" if facts.container else ""
    )
    return (
        f"an NVIDIA driver {facts.driver} is here, but no GPU can be seen: "
        f"{where or 'look at nvidia-smi and CUDA_VISIBLE_DEVICES'}."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderFacts:
    """A folder that must be written: itself, or what is there of the way to it. `why` is what the system said."""

    setting: str
    path: str
    is_folder: bool
    writable: bool
    owner: int
    user: int
    read_only: bool = False


def judge_folder(facts: FolderFacts) -> Finding | None:
    """Say why the folder can't be written; None where it can."""
    if facts.is_folder and facts.writable:
        return None
    what = f"{facts.path} can't be written"
    if facts.is_folder and facts.read_only:
        mend = f"it is mounted read-only: mount a volume there, or set {facts.setting} to a folder that can."
    elif facts.is_folder and facts.owner != facts.user:
        mend = (
            f"it belongs to user {facts.owner}, easel runs as {facts.user}: chown -R {facts.user} it on the host, "
            f"or set {facts.setting} to a folder that can."
        )
    else:
        return Finding(Verdict.BAD, "disk", f"{what}: set {facts.setting} to a folder that can.")
    return Finding(Verdict.BAD, "disk", f"{what}; {mend}")


def judge_shared_memory(size: int | None, *, compiling: bool) -> Finding:
    """Judge the size of /dev/shm in bytes; None where there is none."""
    wanted = _SHARED_FOR_COMPILING if compiling else _SHARED_MEMORY
    if size is None:
        return Finding(Verdict.OK, "shared", "no /dev/shm on this system")
    if size < wanted:
        what = (
            f"{_SHM} has {size >> 20} MiB, {wanted >> 20} are wanted{' for compiling' if compiling else ''}: set "
            f"shm_size: {wanted >> 20}m in compose, or docker run --shm-size={wanted >> 20}m."
        )
        return Finding(Verdict.NOTE, "shared", what)
    return Finding(Verdict.OK, "shared", f"{_SHM} has {size >> 20} MiB")


def judge_clock(skew: float) -> Finding:
    """Judge how many seconds this machine's clock is before the database's (behind it, if negative)."""
    if abs(skew) < _SKEW_NOTE:
        return Finding(Verdict.OK, "clock", "agrees with the database's")
    where = "ahead of" if skew > 0 else "behind"
    what = (
        f"this machine's clock is {abs(skew):.0f} s {where} the database's: let NTP set both (timedatectl set-ntp true "
        "on the hosts; containers have their host's clock). Webhooks' receivers and buckets refuse a wrong clock."
    )
    return Finding(Verdict.BAD if abs(skew) >= _SKEW_BAD else Verdict.NOTE, "clock", what)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])
