"""Whether weights stay on the device, decided from numbers of parameters.

One policy serves the engine, which knows its device's memory, and the table of cards in `docs/hardware.md`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

GIB: Final = 2**30

# What a 1024 × 1024 picture takes beside the weights, counted by `tools/footprint.py`: the VAE's decode in float32, two
# UNet rows of the refiner in float16.
DECODE_BYTES: Final = 3 * GIB
FORWARD_BYTES: Final = int(0.4 * GIB)
# an allowance for the CUDA context and its libraries' workspaces
CONTEXT_BYTES: Final = int(1.25 * GIB)
VAE: Final = "vae"


class Memory(StrEnum):
    """Where weights are while they aren't used."""

    RESIDENT = "resident"
    OFFLOAD = "offload"


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """A policy, and what it takes at most: on the device with one picture and the context, and of host memory."""

    policy: Memory
    device_bytes: int
    host_bytes: int


def plan_memory(wanted: str, group_bytes: Mapping[str, int], device_bytes: int | None) -> MemoryPlan:
    """Decide by the sizes of the groups of weights that are used together, one group at a time.

    Args:
        wanted: "auto", or a policy by name.
        group_bytes: the weights' sizes by group; the VAE's is called vae.
        device_bytes: what the device can hold, None where nobody can say.

    Raises:
        ValueError: there is no such policy.
    """
    resident = sum(group_bytes.values()) + DECODE_BYTES + CONTEXT_BYTES
    beside = {group: DECODE_BYTES if group == VAE else FORWARD_BYTES for group in group_bytes}
    offload = max((size + beside[group] for group, size in group_bytes.items()), default=0) + CONTEXT_BYTES
    if wanted == "auto":
        policy = Memory.RESIDENT if device_bytes is None or resident <= device_bytes else Memory.OFFLOAD
    else:
        policy = Memory(wanted)
    if policy is Memory.RESIDENT:
        return MemoryPlan(policy, resident, 0)
    return MemoryPlan(policy, offload, sum(group_bytes.values()))
