"""LoRA sets, fused into the weights and taken out again without a trace.

A set is always applied the same way: names sorted, every layer computed in float32 from its pristine weight and rounded
once. Pristine weights are copies made before a layer was first touched, so a later run without LoRA is bit-equal to one
in a fresh process. Weights are written in place: compiled code and CUDA graphs that read them stay valid.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import torch
from torch import nn

from models.lora_keys import UNET
from pipelines.byte_cache import ByteCache
from pipelines.contract import LoraUse
from pipelines.errors import GenerationError
from pipelines.lora_files import Layer, LoraFile
from pipelines.lora_shelf import LoraShelf

LoraKey: TypeAlias = tuple[tuple[str, float], ...]
Copies: TypeAlias = dict[str, torch.Tensor]


@dataclass(frozen=True, slots=True)
class WornLora:
    """A LoRA that fits, and its weights in the UNet and in the text encoders."""

    file: LoraFile
    weight: float
    text_encoder_weight: float

    def weight_in(self, component: str) -> float:
        """Return its weight in one component."""
        return self.weight if component == UNET else self.text_encoder_weight


@dataclass(frozen=True, slots=True)
class LoraSet:
    """LoRAs in the order they are applied; none of weight 0 among them."""

    loras: tuple[WornLora, ...] = ()

    @property
    def key(self) -> tuple[tuple[str, float, float], ...]:
        """Two sets with one key change all weights alike."""
        return tuple((lora.file.sha256, lora.weight, lora.text_encoder_weight) for lora in self.loras)

    def key_in(self, component: str) -> LoraKey:
        """Two sets with one key change this component alike; a LoRA without layers there doesn't count."""
        return tuple((lora.file.sha256, lora.weight_in(component)) for lora in self.in_component(component))

    def in_component(self, component: str) -> list[WornLora]:
        """Return those that change this component."""
        return [lora for lora in self.loras if lora.file.layers.get(component) and lora.weight_in(component) != 0]

    @property
    def remarks(self) -> list[str]:
        """What a person may want to know of how they fit."""
        return [lora.file.remark for lora in self.loras if lora.file.remark]


NO_LORA: Final = LoraSet()


def read_lora_set(uses: Sequence[LoraUse], shelf: LoraShelf) -> LoraSet:
    """Read all files of a request, sorted by name. A LoRA of weight 0 is checked and left out.

    Raises:
        GenerationError: a file can't be used; nothing has been changed.
    """
    worn: list[WornLora] = []
    for use in sorted(uses, key=lambda use: (use.name, use.path, use.weight, _text_encoder_weight(use))):
        weights = (use.weight, _text_encoder_weight(use))
        for weight in weights:
            if not abs(weight) < float("inf"):
                raise GenerationError(f"LoRA {use.name} has the weight {weight}, which is no finite number.")
        worn.append(WornLora(shelf.read(use), *weights))
    return LoraSet(tuple(lora for lora in worn if lora.weight != 0 or lora.text_encoder_weight != 0))


def _text_encoder_weight(use: LoraUse) -> float:
    return use.weight if use.text_encoder_weight is None else use.text_encoder_weight


class FusedModule:
    """A component of the base (unet, text_encoder, text_encoder_2) that can wear a LoRA set.

    Args:
        component: its name in LoRA files.
        module: the component; its parameters stay the same objects at the same places.
        copies: finished weights by (component, key), so that tasks that take turns don't compute theirs anew.
        keep_on: where pristine weights and copies are kept; None: where the module is.
    """

    def __init__(
        self,
        component: str,
        module: nn.Module,
        copies: ByteCache[Copies] | None = None,
        keep_on: torch.device | None = None,
    ) -> None:
        self._component = component
        self._module = module
        self._copies = ByteCache[Copies](0) if copies is None else copies
        self._keep_on = keep_on
        self._pristine: Copies = {}
        self._changed: set[str] = set()
        self._worn: LoraKey | None = NO_LORA.key_in(component)

    @torch.no_grad()
    def wear(self, loras: LoraSet) -> None:
        """Make the module's weights those of `loras`, whatever it wore; cheap when it wears them already.

        A failure on the way leaves the pristine weights, or, where even these can't be written, the next call does.
        """
        key = loras.key_in(self._component)
        if self._worn == key:
            return
        self._worn = None
        try:
            self._change_into(loras, key)
        except BaseException:
            self._restore(self._changed)
            self._worn = NO_LORA.key_in(self._component)
            raise
        self._worn = key

    def make_room(self) -> bool:
        """Keep pristine weights in the host's memory from now on, and of those that are here none that isn't needed.

        On the device they may take as much as the module itself. Returns whether any were there.
        """
        self._keep_on = torch.device("cpu")
        there = [path for path, kept in self._pristine.items() if kept.device.type != "cpu"]
        for path in set(self._pristine).difference(self._changed):
            del self._pristine[path]  # the module's own is the same
        for path in self._changed.intersection(there):
            self._pristine[path] = self._kept(self._pristine[path])
        return bool(there)

    def _change_into(self, loras: LoraSet, key: LoraKey) -> None:
        worn = loras.in_component(self._component)
        paths = sorted({path for lora in worn for path in lora.file.layers[self._component]})
        self._restore(self._changed.difference(paths))
        if (copies := self._copies.get((self._component, key))) is not None:
            for path, copy in copies.items():
                self._write(path, copy)
            return
        for path in paths:
            self._fuse(path, worn)
        nbytes = sum(self._weight(path).nbytes for path in paths)
        if 0 < nbytes <= self._copies.most_bytes:
            self._copies.make_room(nbytes)
            copies = {path: self._kept(self._weight(path)) for path in paths}
            self._copies.put((self._component, key), copies, nbytes)

    def _restore(self, paths: set[str]) -> None:
        for path in sorted(paths):
            self._weight(path).copy_(self._pristine[path])
            self._changed.discard(path)

    def _fuse(self, path: str, worn: Sequence[WornLora]) -> None:
        weight = self._weight(path)
        if path not in self._pristine:
            self._pristine[path] = self._kept(weight)
        pristine = self._pristine[path].to(device=weight.device, dtype=torch.float32)
        fused = pristine
        for lora in worn:
            layer: Layer | None = lora.file.layers[self._component].get(path)
            if layer is not None:
                fused = fused + layer.gain(pristine, lora.weight_in(self._component))
        self._write(path, fused)

    def _write(self, path: str, value: torch.Tensor) -> None:
        self._changed.add(path)
        self._weight(path).copy_(value)

    def _kept(self, weight: torch.Tensor) -> torch.Tensor:
        where = self._keep_on or weight.device
        kept = weight.detach().to(where, copy=True)
        return kept.pin_memory() if where.type == "cpu" and weight.device.type == "cuda" else kept

    def _weight(self, path: str) -> torch.Tensor:
        return self._module.get_submodule(path).get_parameter("weight")
