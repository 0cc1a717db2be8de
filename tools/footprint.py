"""Print what full-size SDXL takes of memory, without its weights: `python -m tools.footprint`.

Parameters are counted on torch's meta device. What a forward takes beside them is counted operator by operator on fake
tensors, which have shapes and no numbers: the bytes alive at the worst moment. cuDNN's workspaces aren't in it.
"""

import json
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from models.memory_plan import GIB, plan_memory

CONFIGS: Final[Mapping[str, Mapping[str, Any]]] = json.loads(
    (Path(__file__).parents[1] / "bench" / "sdxl" / "sdxl-1.0.json").read_text()
)
CARDS: Final = (8, 12, 16, 24)
# of a card's memory, what a process finds free: the rest is the driver's and the display's
_FREE: Final = 0.94


class AliveBytes(TorchDispatchMode):
    """Counts the bytes of tensors made inside it that are alive at once."""

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self.peak = 0
        self._alive = 0
        self._known: weakref.WeakSet[Any] = weakref.WeakSet()
        for tensor in module.state_dict().values():
            self._known.add(tensor.untyped_storage())

    def __torch_dispatch__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run one operator and count what it made."""
        result = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(result):
            if isinstance(tensor, torch.Tensor) and (storage := tensor.untyped_storage()) not in self._known:
                self._known.add(storage)
                self._alive += storage.nbytes()
                self.peak = max(self.peak, self._alive)
                weakref.finalize(storage, self._forget, storage.nbytes())
        return result

    def _forget(self, nbytes: int) -> None:
        self._alive -= nbytes


def unet_peak(side: int, rows: int, dtype: torch.dtype, name: str = "base_unet") -> int:
    """Return the bytes that one forward of a UNet takes beside its weights, at side × side pixels."""
    torch.set_default_dtype(dtype)
    try:
        with FakeTensorMode(), torch.no_grad():
            unet = UNet2DConditionModel.from_config(dict(CONFIGS[name]))
            config = CONFIGS[name]
            places = side // 8
            ids = (config["projection_class_embeddings_input_dim"] - 1280) // config["addition_time_embed_dim"]
            with AliveBytes(unet) as count:
                unet(
                    torch.empty(rows, 4, places, places),
                    torch.tensor(1),
                    encoder_hidden_states=torch.empty(rows, 77, config["cross_attention_dim"]),
                    added_cond_kwargs={"text_embeds": torch.empty(rows, 1280), "time_ids": torch.empty(rows, ids)},
                )
            return count.peak
    finally:
        torch.set_default_dtype(torch.float32)


def decode_peak(side: int, dtype: torch.dtype) -> int:
    """Return the bytes that decoding one picture takes beside the weights."""
    torch.set_default_dtype(dtype)
    try:
        with FakeTensorMode(), torch.no_grad():
            vae = AutoencoderKL.from_config(dict(CONFIGS["vae"]))
            with AliveBytes(vae) as count:
                vae.decode(torch.empty(1, 4, side // 8, side // 8))
            return count.peak
    finally:
        torch.set_default_dtype(torch.float32)


def parameters() -> dict[str, int]:
    """Return the number of parameters of each component."""
    with torch.device("meta"):
        modules: dict[str, torch.nn.Module] = {
            "base_unet": UNet2DConditionModel.from_config(dict(CONFIGS["base_unet"])),
            "refiner_unet": UNet2DConditionModel.from_config(dict(CONFIGS["refiner_unet"])),
            "vae": AutoencoderKL.from_config(dict(CONFIGS["vae"])),
            "text_encoder": CLIPTextModel(CLIPTextConfig(**CONFIGS["text_encoder"])),
            "text_encoder_2": CLIPTextModelWithProjection(CLIPTextConfig(**CONFIGS["text_encoder_2"])),
        }
    return {name: sum(value.numel() for value in module.parameters()) for name, module in modules.items()}


def group_bytes(counts: Mapping[str, int], *, refiner: bool) -> dict[str, int]:
    """Return the bytes of the groups that are used together: float16, and the VAE in float32."""
    groups = {
        "text encoders": 2 * (counts["text_encoder"] + counts["text_encoder_2"]),
        "base": 2 * counts["base_unet"],
        "vae": 4 * counts["vae"],
    }
    return {**groups, "refiner": 2 * counts["refiner_unet"]} if refiner else groups


def card_lines(counts: Mapping[str, int]) -> list[str]:
    """Return the rows of the table of cards in Markdown."""
    lines: list[str] = []
    for card in CARDS:
        for refiner in (False, True):
            plan = plan_memory("auto", group_bytes(counts, refiner=refiner), int(card * GIB * _FREE))
            lines.append(
                f"| {card} GB | {'base and refiner' if refiner else 'base'} | {plan.policy} "
                f"| {plan.device_bytes / GIB:.1f} GiB | {plan.host_bytes / GIB:.1f} GiB |"
            )
    return lines


def main() -> None:
    """Print the tables of docs/hardware.md."""
    counts = parameters()
    for name, count in counts.items():
        print(f"| {name} | {count / 1e6:,.1f} M | {2 * count / GIB:.2f} GiB |")  # noqa: T201
    for dtype in (torch.float16, torch.float32):
        print(f"| decode, 1024 × 1024, {dtype} | {decode_peak(1024, dtype) / GIB:.2f} GiB |")  # noqa: T201
    for name in ("base_unet", "refiner_unet"):
        for rows in (2, 8):
            peak = unet_peak(1024, rows, torch.float16, name)
            print(f"| {name}, 1024 × 1024, {rows} rows | {peak / GIB:.2f} GiB |")  # noqa: T201
    print("\n".join(card_lines(counts)))  # noqa: T201


if __name__ == "__main__":
    main()
