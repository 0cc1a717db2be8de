"""Low-rank adapters on every convolution and linear layer of a UNet, and their file."""

from collections.abc import Mapping

import torch
from torch import nn


class Adapted(nn.Module):
    """A frozen layer and the low-rank change to it; at first there is none."""

    def __init__(self, layer: nn.Linear | nn.Conv2d, rank: int) -> None:
        super().__init__()
        self.layer = layer
        if isinstance(layer, nn.Linear):
            self.down: nn.Module = nn.Linear(layer.in_features, rank, bias=False)
            self.up: nn.Module = nn.Linear(rank, layer.out_features, bias=False)
        else:
            self.down = nn.Conv2d(
                layer.in_channels,
                rank,
                layer.kernel_size,
                layer.stride,
                layer.padding,
                bias=False,  # type: ignore[arg-type]
            )
            self.up = nn.Conv2d(rank, layer.out_channels, 1, bias=False)
        nn.init.zeros_(self.up.weight)  # type: ignore[arg-type]

    def forward(self, x: torch.Tensor, *_scale: object) -> torch.Tensor:
        """The layer's answer and the change."""
        answer: torch.Tensor = self.layer(x) + self.up(self.down(x))
        return answer


class Adapters(nn.Module):
    """The adapters of a UNet, put into it and gathered here by their paths."""

    def __init__(self, unet: nn.Module, rank: int) -> None:
        super().__init__()
        unet.requires_grad_(requires_grad=False)
        layers = {
            path: layer
            for path, layer in unet.named_modules()
            if isinstance(layer, nn.Linear | nn.Conv2d) and not path.startswith(("time_", "add_"))
        }
        self.paths = list(layers)
        self.downs, self.ups = nn.ModuleList(), nn.ModuleList()
        for path, layer in layers.items():
            adapted = Adapted(layer, rank)
            parent, _, name = path.rpartition(".")
            setattr(unet.get_submodule(parent), name, adapted)
            self.downs.append(adapted.down)
            self.ups.append(adapted.up)


def lora_tensors(paths: list[str], state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The adapters' state under the names that diffusers and PEFT write."""
    tensors: dict[str, torch.Tensor] = {}
    for number, path in enumerate(paths):
        tensors[f"unet.{path}.lora_A.weight"] = state[f"downs.{number}.weight"].half().contiguous()
        tensors[f"unet.{path}.lora_B.weight"] = state[f"ups.{number}.weight"].half().contiguous()
    return tensors
