"""What a LoRA file is, from its header alone: kind, family, rank and alpha, and how much of it fits a base.

No tensor is read: the same facts serve whoever lists files and the engine before it touches a device.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from models.lora_family import Family, family_of
from models.lora_keys import COMPONENTS, Part, component_of, other_kind, split_key, units_of
from models.safetensors_header import HeaderError, SafetensorsHeader, TensorSpec, read_header

MOST_FILE_BYTES: Final = 4 * 2**30
SHARE_NEEDED: Final = 0.8

_FLOATS: Final = frozenset({"F16", "BF16", "F32", "F64"})


class LoraError(ValueError):
    """The file is no LoRA that can be used; the message says why in a clause, without naming the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraUnit:
    """One layer as the file has it: names of its tensors by part. down: (rank, inputs, …), up: (outputs, rank, …)."""

    name: str
    component: str
    tensors: Mapping[Part, str]
    down: tuple[int, ...]
    up: tuple[int, ...]

    @property
    def rank(self) -> int:
        """The rank of the layer's change."""
        return self.down[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraFacts:
    """A LoRA's header, understood. `unknown` are names of tensors that belong to no LoRA layer."""

    family: Family
    units: Sequence[LoraUnit]
    unknown: Sequence[str]
    metadata: Mapping[str, str]
    file_bytes: int

    @property
    def ranks(self) -> Sequence[int]:
        """The ranks that occur, ascending."""
        return sorted({unit.rank for unit in self.units})

    @property
    def dora(self) -> bool:
        """Whether a layer's magnitudes are trained too."""
        return any(Part.DORA in unit.tensors for unit in self.units)

    def describe(self) -> str:
        """Say it in a few words: "rank 16, SDXL base, 722 layers"."""
        ranks = self.ranks
        rank = f"rank {ranks[0]}" if len(ranks) == 1 else f"ranks {ranks[0]} to {ranks[-1]}"
        kind = "DoRA, " if self.dora else ""
        layers = f"{len(self.units)} layer{'s' if len(self.units) > 1 else ''}"
        return f"{kind}{rank}, {self.family}, {layers}"


Layers = Mapping[str, Mapping[str, tuple[int, ...]]]
"""The layers of a base that a LoRA can change: shapes of their weights, by component and module path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """How a LoRA meets a base: its units by component and the base's module path, and the units that are left over."""

    placed: Mapping[tuple[str, str], LoraUnit]
    misshapen: Sequence[LoraUnit]
    homeless: Sequence[LoraUnit]
    total: int

    @property
    def share(self) -> float:
        """Which part of the file's layers the base has, in the right shape."""
        return len(self.placed) / self.total

    def describe(self) -> str:
        """Say it in numbers: "722 of 722 layers fit"."""
        return f"{len(self.placed)} of {self.total} layers fit"


def read_lora_header(path: Path) -> LoraFacts:
    """Read what a LoRA file is, without reading its tensors.

    Raises:
        LoraError: it is no whole safetensors file, no LoRA, or of a kind that can't be used.
    """
    try:
        header = read_header(path)
    except HeaderError as error:
        raise LoraError(str(error)) from error
    return understand(header)


def understand(header: SafetensorsHeader) -> LoraFacts:
    """Sort a header's tensors into LoRA layers.

    Raises:
        LoraError: it is no LoRA, or of a kind that can't be used.
    """
    if header.file_bytes > MOST_FILE_BYTES:
        raise LoraError(f"it takes {header.file_bytes} bytes, and a LoRA at most {MOST_FILE_BYTES}")
    if kind := other_kind(header.tensors):
        raise LoraError(f"it is of the kind {kind}, and only LoRA and DoRA can be used")
    parts: dict[str, dict[Part, str]] = {}
    unknown: list[str] = []
    for key in sorted(header.tensors):
        if (split := split_key(key)) is None:
            unknown.append(key)
        else:
            parts.setdefault(split[0], {})[split[1]] = key
    units = [_unit(name, tensors, header.tensors) for name, tensors in parts.items()]
    if not units:
        raise LoraError("it holds no LoRA layer" + (f"; its first tensor is {unknown[0]}" if unknown else ""))
    family = family_of([(unit.name, unit.down, unit.up) for unit in units], header.metadata)
    return LoraFacts(
        family=family, units=units, unknown=unknown, metadata=header.metadata, file_bytes=header.file_bytes
    )


def check_fit(facts: LoraFacts, layers: Layers) -> Fit:
    """Find the base's layer for each of the file's.

    Raises:
        LoraError: too few are there, or one has another shape; the message has the numbers, and what the file seems to
            be made for.
    """
    fit = fit_to(facts, layers)
    if fit.misshapen or fit.share < SHARE_NEEDED:
        odd = [*(unit.name for unit in (*fit.misshapen, *fit.homeless)), *facts.unknown][0]
        why = "has another shape there" if fit.misshapen else "isn't there"
        raise LoraError(f"{fit.describe()} this model, and it seems made for {facts.family}: {odd} {why}")
    return fit


def fit_to(facts: LoraFacts, layers: Layers) -> Fit:
    """Find the base's layer for each of the file's, whatever the share."""
    homes = _homes(layers)
    placed: dict[tuple[str, str], LoraUnit] = {}
    misshapen: list[LoraUnit] = []
    homeless: list[LoraUnit] = []
    for unit in facts.units:
        home = homes.get(unit.name)
        if home is None or home in placed:
            homeless.append(unit)
        elif not _fits(unit, layers[home[0]][home[1]]):
            misshapen.append(unit)
        else:
            placed[home] = unit
    return Fit(placed=placed, misshapen=misshapen, homeless=homeless, total=len(facts.units) + len(facts.unknown))


def _homes(layers: Layers) -> dict[str, tuple[str, str]]:
    homes: dict[str, tuple[str, str]] = {}
    for component in (name for name in COMPONENTS if name in layers):
        paths = layers[component]
        # Stability's names count what diffusers' group: as many as the first block has
        resnets = sum(path.startswith("down_blocks.0.resnets.") and path.endswith(".conv1") for path in paths)
        for path in paths:
            homes |= dict.fromkeys(units_of(component, path, resnets), (component, path))
    return homes


def _fits(unit: LoraUnit, shape: tuple[int, ...]) -> bool:
    """A convolution's kernel lies in `down`; `up` is then 1 × 1."""
    outputs, inputs, *kernel = shape
    return unit.up[0] == outputs and unit.down[1] == inputs and _kernel(unit.down) == _kernel((0, 0, *kernel))


def _kernel(shape: tuple[int, ...]) -> tuple[int, ...]:
    kernel = shape[2:]
    return () if all(side == 1 for side in kernel) else kernel


def _unit(name: str, parts: Mapping[Part, str], tensors: Mapping[str, TensorSpec]) -> LoraUnit:
    if Part.DOWN not in parts or Part.UP not in parts:
        lacking = Part.DOWN if Part.DOWN not in parts else Part.UP
        raise LoraError(f"its layer {name} has no {lacking} weight")
    down, up = tensors[parts[Part.DOWN]], tensors[parts[Part.UP]]
    right = (
        len(down.shape) in {2, 4}
        and len(up.shape) in {2, 4}
        and down.shape[0] == up.shape[1]
        and min(*down.shape, *up.shape) > 0
        and _kernel(up.shape) == ()
        and {down.dtype, up.dtype} <= _FLOATS
    )
    if not right:
        raise LoraError(f"the shapes {down.shape} and {up.shape} of its layer {name} don't make a LoRA layer")
    if Part.ALPHA in parts and tensors[parts[Part.ALPHA]].shape not in {(), (1,)}:
        raise LoraError(f"the alpha of its layer {name} is no single number")
    return LoraUnit(name=name, component=component_of(name), tensors=parts, down=down.shape, up=up.shape)
