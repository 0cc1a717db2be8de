"""Whether weights stay on the device, decided from numbers of parameters.

One policy serves the engine, which knows its device's memory, the estimate of a dry run (`models/memory_estimate.py`),
and the table of cards in `docs/hardware.md`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

GIB: Final = 2**30

# an allowance for the CUDA context and its libraries' workspaces
CONTEXT_BYTES: Final = int(1.25 * GIB)
VAE: Final = "vae"


class Memory(StrEnum):
    """Where weights are while they aren't used."""

    RESIDENT = "resident"
    OFFLOAD = "offload"


@dataclass(frozen=True, slots=True)
class Activations:
    """What a picture takes beside the weights: its decode, and a UNet's forward."""

    decode_bytes: int
    forward_bytes: int


HEADLINE: Final = Activations(decode_bytes=3 * GIB, forward_bytes=int(0.4 * GIB))
"""Of 1024 × 1024 pixels, counted by `tools/footprint.py`: a decode in float32, two rows of the refiner in float16."""


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """A policy, and what it takes at most: on the device with one picture and the context, and of host memory."""

    policy: Memory
    device_bytes: int
    host_bytes: int


def plan_memory(
    wanted: str,
    group_bytes: Mapping[str, int],
    device_bytes: int | None,
    *,
    beside: Activations = HEADLINE,
    context_bytes: int = CONTEXT_BYTES,
) -> MemoryPlan:
    """Decide by the sizes of the groups of weights that are used together, one group at a time.

    Args:
        wanted: "auto", or a policy by name.
        group_bytes: the weights' sizes by group; the VAE's is called vae.
        device_bytes: what the device can hold, None where nobody can say.
        beside: what is drawn.
        context_bytes: what the device's libraries take.

    Raises:
        ValueError: there is no such policy.
    """
    resident = sum(group_bytes.values()) + max(beside.decode_bytes, beside.forward_bytes) + context_bytes
    needs = {group: beside.decode_bytes if group == VAE else beside.forward_bytes for group in group_bytes}
    offload = max((size + needs[group] for group, size in group_bytes.items()), default=0) + context_bytes
    if wanted == "auto":
        policy = Memory.RESIDENT if device_bytes is None or resident <= device_bytes else Memory.OFFLOAD
    else:
        policy = Memory(wanted)
    if policy is Memory.RESIDENT:
        return MemoryPlan(policy, resident, 0)
    return MemoryPlan(policy, offload, sum(group_bytes.values()))
