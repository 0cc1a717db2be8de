"""Which weights draw a card. LoRAs are looked up in a scan of the folders: no path is ever built from user text."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final

from models.card import Card, WeightSource
from models.layouts import Found, files_in, loras_of, scan
from models.recognise import INDEX, Role, Unusable, recognise
from models.registry import RegistryError

# The files of diffusers' layout that an expert can't do without. Tokenizers come in one file or in two.
_OTHER_TOKENIZER: Final = "tokenizer.json"
_TOKENIZER: Final = ("vocab.json", "merges.txt")
_NETWORK: Final = ("config.json", "*.safetensors")
_REFINER: Final[Mapping[str, Sequence[str]]] = {
    "": (INDEX,),
    "scheduler": ("scheduler_config.json",),
    "unet": _NETWORK,
    "vae": _NETWORK,
    "text_encoder_2": _NETWORK,
    "tokenizer_2": _TOKENIZER,
}
_BASE: Final[Mapping[str, Sequence[str]]] = {**_REFINER, "text_encoder": _NETWORK, "tokenizer": _TOKENIZER}


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightSet:
    """Weights that belong together. `loras` maps names to files.

    `base` and `refiner` are folders in diffusers' layout or single files; `base_config` and `refiner_config` are the
    folders with what single files don't hold, None for folders. `vae` decodes in place of theirs.
    `miniature_side` is None for real weights; else these are the miniature's, which was trained on squares of that
    many pixels.
    """

    base: Path
    refiner: Path | None
    loras: Mapping[str, Path]
    miniature_side: int | None = None
    base_config: Path | None = None
    refiner_config: Path | None = None
    vae: Path | None = None

    @property
    def miniature(self) -> bool:
        """Whether these are the miniature's."""
        return self.miniature_side is not None

    @property
    def base_folder(self) -> Path:
        """Where the base's configurations and tokenizers lie."""
        return self.base_config or self.base

    @property
    def refiner_folder(self) -> Path | None:
        """Where the refiner's configurations and tokenizers lie."""
        return self.refiner_config or self.refiner

    def lora_for(self, name: str) -> Path | None:
        """Return the file of that LoRA, or None: exact first, then in any case."""
        known = self.lora_name(name)
        return None if known is None else self.loras[known]

    def lora_name(self, name: str) -> str | None:
        """Return the true name of that LoRA, or None: exact first, then in any case."""
        if name in self.loras:
            return name
        folded = name.casefold()
        return next((known for known in self.loras if known.casefold() == folded), None)


@dataclass(frozen=True, slots=True)
class Missing:
    """There are no weights to draw with; `sentence` tells an operator what is missing, and what to do.

    `partly`: some of them lie there, so nothing else may quietly take their place.
    """

    sentence: str
    partly: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where an expert may lie. `trouble` is None where it is whole."""

    path: Path
    root: Path
    config: Path | None = None
    trouble: str | None = None


class _Incomplete(Exception):
    """An expert can't be used as it lies there."""


def find_weights(card: Card, folders: Sequence[Path], found: Sequence[Found] | None = None) -> WeightSet | Missing:
    """Find the first of the card's real weights of which anything lies in the folders, its refiner and all LoRAs.

    `found` is what a scan of the folders gave; it spares another one.
    """
    try:
        shelf = scan(folders) if found is None else found
    except RegistryError as error:
        return Missing(str(error), partly=True)
    for place, base in enumerate(card.weights.base):
        # By place, so that a base never meets another's refiner.
        refiner = card.weights.refiner[place] if card.weights.refiner else None
        names = [(base, Role.BASE), *([(refiner, Role.REFINER)] if refiner else [])]
        if any(_lies_there(card.weights.source(name), role, folders, shelf) for name, role in names):
            try:
                return _whole(card, base, refiner, folders, shelf)
            except _Incomplete as trouble:
                return Missing(f"The weights of {card.slug} are incomplete: {trouble}", partly=True)
    return Missing(_what_is_missing(card, folders))


def standard_config(*, refiner: bool) -> Path:
    """Return the folder with what single files of SDXL 1.0 don't hold: configurations and tokenizers."""
    return Path(str(resources.files("models").joinpath("sdxl", "refiner" if refiner else "base")))


def first_gap(folder: Path, *, refiner: bool = False) -> Path | None:
    """Return a file that the base, or the refiner, in that folder can't do without and lacks; None if it is whole."""
    parts = _REFINER if refiner else _BASE
    return next((folder / part / name for part in parts for name in _gaps(folder / part, parts[part])), None)


def scan_loras(folder: Path) -> dict[str, Path]:
    """Return the LoRA files that really lie in that folder, by name, sorted."""
    return {file.stem: file for file in reversed(files_in(folder))}


def pull_command(source: WeightSource, role: Role) -> str | None:
    """Return the command that brings weights from the hub, or None where no address is known."""
    if not source.hub:
        return None
    own = source.hub.rpartition("/")[2] == source.name
    return f"easel models pull {source.hub} --as {role.value}" + ("" if own else f" --name {source.name}")


def _whole(
    card: Card, base_name: str, refiner_name: str | None, folders: Sequence[Path], shelf: Sequence[Found]
) -> WeightSet:
    base = _best(card.weights.source(base_name), Role.BASE, folders, shelf)
    refiner = None
    if refiner_name is not None:
        nearest = sorted(folders, key=lambda folder: folder != base.root)
        refiner = _best(card.weights.source(refiner_name), Role.REFINER, nearest, shelf)
    beside = scan_loras(base.path.parent / "loras") if base.path.is_relative_to(base.root) else {}
    return WeightSet(
        base=base.path,
        refiner=refiner.path if refiner else None,
        loras=dict(sorted({**loras_of(shelf), **beside}.items())),
        base_config=_config_of(base, Role.BASE),
        refiner_config=_config_of(refiner, Role.REFINER) if refiner else None,
        vae=_vae(card, shelf),
    )


def _config_of(place: _Place, role: Role) -> Path | None:
    if place.path.is_dir():
        return None
    return place.config or standard_config(refiner=role is Role.REFINER)


def _vae(card: Card, shelf: Sequence[Found]) -> Path | None:
    for name in card.weights.vae:
        for each in shelf:
            if each.role is Role.VAE and card.weights.source(name).calls(each.name):
                if trouble := _file_trouble(each, Role.VAE):
                    raise _Incomplete(trouble)
                return each.path
    return None


def _lies_there(source: WeightSource, role: Role, folders: Sequence[Path], shelf: Sequence[Found]) -> bool:
    folder_there = any(os.path.lexists(folder / source.name) for folder in folders)
    return folder_there or any(_may_be(each, source, role) for each in shelf)


def _may_be(each: Found, source: WeightSource, role: Role) -> bool:
    return each.role in {None, role} and source.calls(each.name)


def _best(source: WeightSource, role: Role, folders: Sequence[Path], shelf: Sequence[Found]) -> _Place:
    """Return the first place that is whole. Raises _Incomplete: the first where anything is isn't."""
    places = list(_places(source, role, folders, shelf))
    whole = next((place for place in places if place.trouble is None), None)
    if whole is not None:
        return whole
    begun = next((place for place in places if os.path.lexists(place.path)), places[0])
    raise _Incomplete(begun.trouble)


def _places(source: WeightSource, role: Role, folders: Sequence[Path], shelf: Sequence[Found]) -> Iterator[_Place]:
    """Judge what the shelf has and what has a card's name in the folders, folder by folder."""
    for folder in folders:
        for each in shelf:
            if each.root == folder and _may_be(each, source, role):
                trouble = _folder_trouble(each.path, source, role) if each.path.is_dir() else _file_trouble(each, role)
                yield _Place(path=each.path, root=folder, config=each.config, trouble=trouble)
        place = folder / source.name
        yield _Place(path=place, root=folder, trouble=_folder_trouble(place, source, role))


def _folder_trouble(folder: Path, source: WeightSource, role: Role) -> str | None:
    gap = first_gap(folder, refiner=role is Role.REFINER)
    if gap is None:
        return None
    command = pull_command(source, role)
    how = f"`{command}` brings it" if command else "`easel models list` shows what is found"
    return (
        f"{gap} is missing; put the whole of {folder.name} into {folder} in diffusers' layout ({how}), "
        "or take away what lies there of it."
    )


def _file_trouble(each: Found, role: Role) -> str | None:
    if not each.path.exists():
        return f"{each.path}, adopted as {each.name}, is gone: bring it back, or run easel models forget {each.name!r}."
    try:
        recognised = recognise(each.path)
    except Unusable as error:
        return str(error)
    if recognised.role is not role:
        return f"{each.path} is {recognised.words}, where the {role.value} is wanted: adopt it under another name."
    if not recognised.standard and each.config is None:
        return f"{each.path} hasn't SDXL's sizes: adopt it with --config and a folder that holds its configuration."
    return None


def _gaps(folder: Path, names: Sequence[str]) -> Iterator[str]:
    if names is _TOKENIZER and _holds(folder, _OTHER_TOKENIZER):
        return
    yield from (name for name in names if not _holds(folder, name))


def _holds(folder: Path, pattern: str) -> bool:
    try:
        return any(file.is_file() for file in folder.glob(pattern))
    except OSError:
        return False


def _what_is_missing(card: Card, folders: Sequence[Path]) -> str:
    names = " or ".join(card.weights.base)
    where = ", ".join(str(folder) for folder in folders) or "no folder at all"
    command = pull_command(card.weights.source(card.weights.base[0]), Role.BASE)
    bring = f"`{command}` brings them, `easel models add PATH` adopts what you have" if command else ""
    bring = bring or "`easel models add PATH` adopts what you have"
    instead = ", or set EASEL_MINIATURE=1 to draw with the miniature" if card.miniature is not None else ""
    return (
        f"No weights for {card.slug}: looked for {names} in {where}; {bring}, or name the folder that holds them in "
        f"EASEL_MODELS_DIR{instead}."
    )
