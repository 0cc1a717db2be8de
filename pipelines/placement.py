"""Where weights are: all on the device, or only the group that is used next."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeAlias

import torch
from torch import nn

Move: TypeAlias = Callable[[nn.Module, torch.device], None]


class Placement(Protocol):
    """Brings weights to the device before they are used."""

    def bring(self, group: str) -> None:
        """See that a group's weights are on the device."""
        ...


class Resident:
    """Everything is on the device, always."""

    def bring(self, group: str) -> None:
        """Do nothing."""


class Offload:
    """One group on the device at a time; the others wait in host memory. Moving changes no bit of a weight."""

    def __init__(
        self, device: torch.device, groups: Mapping[str, Sequence[nn.Module]], move: Move | None = None
    ) -> None:
        self._device = device
        self._groups = groups
        self._move = move or _move
        self._present: str | None = None

    def bring(self, group: str) -> None:
        """Send the group that is there away, and fetch this one."""
        if group == self._present:
            return
        if self._present is not None:
            for module in self._groups[self._present]:
                self._move(module, torch.device("cpu"))
        # until all is there: after a failure on the way the next call moves what is left
        self._present = None
        for other in self._groups:
            if other != group:
                for module in self._groups[other]:
                    self._move(module, torch.device("cpu"))
        for module in self._groups[group]:
            self._move(module, self._device)
        self._present = group


def _move(module: nn.Module, device: torch.device) -> None:
    nn.Module.to(module, device)
