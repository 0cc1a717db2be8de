"""What one picture is drawn with, in full: enough to draw it again, and to know why it comes out otherwise."""

import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from models.weight_files import weight_files
from models.weights import WeightSet
from pipelines.contract import EngineFacts, GenerationRequest, LoraUse
from server.domain.types import JsonObject, JsonValue
from server.ports.hashes import Hashes

FORMAT: Final = 1
"""Changes with what a receipt's words mean; new words alone don't change it."""
KEYWORD: Final = "easel"
"""Under which the receipt stands in a PNG, as JSON in iTXt."""

_MOST_SEED: Final = 2**63


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """What the pictures of one run have in common.

    `values` are the request's, files and addresses left out; `enlarged_to` is the size of delivery where it differs.
    """

    model: str
    values: JsonObject
    request: GenerationRequest
    device: str
    facts: EngineFacts
    enlarged_to: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class HashedFile:
    """A file of weights; `sha256` is None where it could not be read any more."""

    name: str
    sha256: str | None

    @property
    def short(self) -> str:
        """The hash as other programs show it."""
        return (self.sha256 or "")[:10]


@dataclass(frozen=True, slots=True)
class HashedExpert:
    """The base or the refiner: its name and its files, the UNet's first."""

    name: str
    files: tuple[HashedFile, ...]

    def plain(self) -> JsonObject:
        """Return it in JSON's words."""
        return {"name": self.name, "files": {file.name: file.sha256 for file in self.files}}


@dataclass(frozen=True, slots=True)
class HashedWeights:
    """Everything that a drawing reads; `base` is None for an engine without weights, `vae` where theirs decodes."""

    base: HashedExpert | None
    refiner: HashedExpert | None
    vae: HashedExpert | None
    loras: tuple[tuple[LoraUse, HashedFile], ...]


def hash_experts(weights: WeightSet | None, hashes: Hashes) -> tuple[HashedExpert | None, ...]:
    """Hash base, refiner and a VAE in place of theirs; for gigabytes this takes its time, once."""
    if weights is None:
        return None, None, None
    name = "miniature" if weights.miniature else None
    places = (weights.base, weights.refiner, weights.vae)
    return tuple(None if place is None else _expert(place, name, hashes) for place in places)


def hash_weights(weights: WeightSet | None, request: GenerationRequest, hashes: Hashes) -> HashedWeights:
    """Hash what the request is drawn with."""
    base, refiner, vae = hash_experts(weights, hashes)
    loras = tuple((use, _file(use.name, Path(use.path), hashes)) for use in request.loras)
    return HashedWeights(base, refiner if request.use_refiner else None, vae, loras)


def picture_receipt(drawing: Drawing, sample: int, weights: HashedWeights, tool: str) -> JsonObject:
    """Return the receipt of one picture. It names no task, no project and no file of a client."""
    request, facts = drawing.request, drawing.facts
    size = {"width": request.width, "height": request.height}
    return {
        "format": FORMAT,
        "model": drawing.model,
        "values": drawing.values,
        "sample": sample,
        "seed": seed_of(request, sample),
        "drawn": size if drawing.enlarged_to else {},
        "inputs": [each.parameter for each in request.inputs],
        "weights": {
            "base": weights.base.plain() if weights.base else None,
            "refiner": weights.refiner.plain() if weights.refiner else None,
            "vae": weights.vae.plain() if weights.vae else None,
            "loras": [_lora(use, file) for use, file in weights.loras],
        },
        "scheduler": {
            "name": request.noise_scheduler,
            "settings": _plain(facts.noise_schedulers.get(request.noise_scheduler, {})),
        },
        "device": drawing.device,
        "dtype": facts.dtype,
        "rows": facts.rows,
        "versions": {
            "easel": tool.removeprefix("easel").strip(),
            "python": platform.python_version(),
            **facts.versions,
        },
    }


def seed_of(request: GenerationRequest, sample: int) -> int:
    """Return the seed that one sample is drawn from."""
    return (request.seed + sample) % _MOST_SEED


def _lora(use: LoraUse, file: HashedFile) -> JsonObject:
    weights: dict[str, JsonValue] = {"name": use.name, "weight": use.weight, "sha256": file.sha256}
    if use.text_encoder_weight is not None:
        weights["textEncoderWeight"] = use.text_encoder_weight
    return weights


def _plain(settings: Mapping[str, object]) -> JsonObject:
    return cast("JsonObject", dict(settings))  # the contract promises JSON's values


def _expert(place: Path, name: str | None, hashes: Hashes) -> HashedExpert:
    own = place.stem if place.is_file() else place.name
    return HashedExpert(name or own, tuple(_file(each, path, hashes) for each, path in weight_files(place).items()))


def _file(name: str, path: Path, hashes: Hashes) -> HashedFile:
    try:
        return HashedFile(name, hashes.sha256(path))
    except OSError:
        return HashedFile(name, None)
