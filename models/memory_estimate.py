"""How much memory drawing takes, estimated from headers and configurations alone: for any size, rows and dtype.

Weights are counted exactly; what a forward takes beside them is by the factors of `models/footprint.py`. However many
samples a request asks for, a forward holds a fixed number of rows, and pictures are decoded one at a time.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from models.footprint import LATENT_PIXELS, decode_bytes_per_pixel, unet_bytes_per_place
from models.memory_plan import CONTEXT_BYTES, VAE, Activations, Memory, plan_memory
from models.part_sizes import parameters_of
from models.weights import WeightSet

_BYTES: Final[Mapping[str, int]] = {"float16": 2, "bfloat16": 2, "float32": 4}
_TEXT: Final = ("text_encoder", "text_encoder_2")
_SHARED: Final = ("text_encoder_2", "vae")
_PAIR: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Equipment:
    """What is drawn with: the device ("cpu" or else a GPU), the dtype of UNets, the rows of a forward with guidance."""

    device: str
    dtype: str
    batch_rows: int = _PAIR


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Numbers in the weights: by (expert, part), and the first widths of the UNets and of the VAE."""

    parameters: Mapping[tuple[str, str], int]
    unet_width: int
    vae_width: int
    vae_upcast: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryEstimate:
    """In bytes: the weights, what the worst forward or decode takes beside them, and both with what the device needs.

    `offload` is the device's part where weights wait in host memory; None on a CPU, where they can't.
    """

    dtype: str
    weights: int
    drawing: int
    resident: int
    offload: int | None


def equipment_of(device: str, dtype: str, batch_rows: int, drawing: str | None) -> Equipment:
    """Settle what settings leave open. `drawing` is how a worker names its device; without one a GPU is assumed."""
    cpu = device == "cpu" or (device == "auto" and drawing is not None and drawing.startswith("cpu"))
    automatic = "float32" if cpu else "float16"
    return Equipment(
        device="cpu" if cpu else "cuda", dtype=automatic if dtype == "auto" else dtype, batch_rows=batch_rows
    )


def read_sizes(weights: WeightSet) -> Sizes:
    """Count the weights. What base and refiner both have in the same size they are taken to share.

    Raises:
        OSError, ValueError: a header or a configuration can't be read.
    """
    counts: dict[tuple[str, str], int] = {}
    experts = {"base": (weights.base, weights.base_folder), "refiner": (weights.refiner, weights.refiner_folder)}
    widths: list[int] = []
    for name, (place, folder) in experts.items():
        if place is None or folder is None:
            continue
        for part in ("unet", "vae", *_TEXT):
            if (folder / part).is_dir():
                counts[name, part] = parameters_of(_source(weights, place, part), part)
        widths.append(_config(folder / "unet")["block_out_channels"][0])
    for part in _SHARED:
        if counts.get(("refiner", part)) == counts["base", part]:
            del counts["refiner", part]
    vae = _config(weights.base_folder / "vae")
    upcast = bool(_vae_config(weights, vae).get("force_upcast", True))
    return Sizes(parameters=counts, unet_width=max(widths), vae_width=vae["block_out_channels"][0], vae_upcast=upcast)


def estimate_memory(sizes: Sizes, equipment: Equipment, size: tuple[int, int], rows: int) -> MemoryEstimate:
    """Estimate for pictures of `size`, drawn with `rows` of a sample in a forward: 2 with guidance, else 1."""
    number = _BYTES[equipment.dtype]
    vae_number = 4 if equipment.dtype == "float16" and sizes.vae_upcast else number
    groups: dict[str, int] = {}
    for (expert, part), count in sizes.parameters.items():
        group = {"unet": expert, "vae": VAE}.get(part, "text encoders")
        groups[group] = groups.get(group, 0) + count * (vae_number if part == "vae" else number)
    pixels, in_forward = size[0] * size[1], equipment.batch_rows // _PAIR * rows
    beside = Activations(
        decode_bytes=int(decode_bytes_per_pixel(sizes.vae_width, vae_number) * pixels),
        forward_bytes=int(unet_bytes_per_place(sizes.unet_width, number) * in_forward * pixels / LATENT_PIXELS**2),
    )
    gpu = equipment.device != "cpu"
    context = CONTEXT_BYTES if gpu else 0
    resident, offload = (
        plan_memory(policy, groups, None, beside=beside, context_bytes=context).device_bytes for policy in Memory
    )
    return MemoryEstimate(
        dtype=equipment.dtype,
        weights=sum(groups.values()),
        drawing=max(beside.decode_bytes, beside.forward_bytes),
        resident=resident,
        offload=offload if gpu else None,
    )


def _source(weights: WeightSet, place: Path, part: str) -> Path:
    if part == "vae" and weights.vae is not None:
        return weights.vae
    return place / part if place.is_dir() else place


def _vae_config(weights: WeightSet, standard: Mapping[str, Any]) -> Mapping[str, Any]:
    return _config(weights.vae) if weights.vae is not None and weights.vae.is_dir() else standard


def _config(folder: Path) -> Mapping[str, Any]:
    content = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return cast("dict[str, Any]", content)
