"""What lies in the folders of models: diffusers' layout, ComfyUI's, A1111's, the Hugging Face cache, and the registry.

Nothing is opened here, and no path is built from what a user wrote: names are looked up among what was found.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from models.recognise import INDEX, Role
from models.registry import read_registry
from models.safetensors_header import SUFFIX

# Below the folder itself; ComfyUI's and A1111's own roots keep these in `models`.
_CHECKPOINTS: Final = ("checkpoints", "Stable-diffusion")
_LORAS: Final = ("loras", "Lora")
_VAES: Final = ("vae", "VAE")
_FOLDERS: Final = (".", "diffusers")
_ROOTS: Final = (".", "models")
_HUBS: Final = (".", "hub")
_REPOSITORY: Final = "models--"
_SNAPSHOTS: Final = "snapshots"
_DEEPEST: Final = 3  # folders below a folder of checkpoints, as people sort them


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Weights at a place. `role` is None where only the place's kind is known: some model, base or refiner.

    `root` is the folder of models they lie in, or whose registry names them; `config` as in the registry.
    """

    name: str
    path: Path
    root: Path
    role: Role | None
    config: Path | None = None

    @property
    def model(self) -> bool:
        """Whether it may be a base or a refiner."""
        return self.role not in {Role.LORA, Role.VAE}


def scan(folders: Sequence[Path]) -> tuple[Found, ...]:
    """Return what lies in the folders, in their order. Raises RegistryError."""
    return tuple(found for folder in folders for found in _scan(folder))


def loras_of(found: Iterable[Found]) -> dict[str, Path]:
    """Return the LoRAs by name, sorted; of two with one name the first counts."""
    loras: dict[str, Path] = {}
    for each in found:
        if each.role is Role.LORA:
            loras.setdefault(each.name, each.path)
    return dict(sorted(loras.items()))


def files_in(folder: Path, *, deepest: int = _DEEPEST) -> list[Path]:
    """Return the safetensors files that really lie in that folder or below it, sorted, with names fit for people."""
    try:
        root = folder.resolve(strict=True)
        files = sorted(_walk(folder, deepest))
    except (OSError, RuntimeError):  # RuntimeError: a loop of links
        return []
    return [file for file in files if _is_inside(file, root)]


def weights_name(path: Path) -> str:
    """Return what people call the weights at a path: a file's stem, a repository's name, or the folder's."""
    if path.parent.name == _SNAPSHOTS:
        return path.parent.parent.name.rpartition("--")[2]
    return path.stem if path.suffix == SUFFIX else path.name


def _scan(folder: Path) -> Iterator[Found]:
    for name, adopted in read_registry(folder).items():
        yield Found(name=name, path=adopted.path, root=folder, role=adopted.role, config=adopted.config)
    if (folder / INDEX).is_file():
        yield Found(name=weights_name(folder), path=folder, root=folder, role=None)
    for root in (folder / part for part in _ROOTS):
        for part in _FOLDERS:
            yield from (
                Found(name=each.name, path=each, root=folder, role=None) for each in _model_folders(root / part)
            )
        for role, parts in ((None, _CHECKPOINTS), (Role.LORA, _LORAS), (Role.VAE, _VAES)):
            yield from _files(folder, [root / part for part in parts], role)
    for hub in _HUBS:
        yield from _cached(folder, folder / hub)


def _files(folder: Path, places: Iterable[Path], role: Role | None) -> Iterator[Found]:
    seen: set[Path] = set()  # `vae` and `VAE` are one folder on some disks
    for place in places:
        for file in files_in(place):
            if file.resolve() not in seen:
                seen.add(file.resolve())
                yield Found(name=file.stem, path=file, root=folder, role=role)
    if role is Role.VAE:
        for place in places:
            for each in _entries(place):
                if (each / "config.json").is_file():
                    yield Found(name=each.name, path=each, root=folder, role=role)


def _model_folders(place: Path) -> Iterator[Path]:
    return (each for each in _entries(place) if (each / INDEX).is_file())


def _cached(folder: Path, hub: Path) -> Iterator[Found]:
    for repository in _entries(hub):
        if repository.name.startswith(_REPOSITORY) and (snapshot := _snapshot(repository)) is not None:
            yield Found(name=weights_name(snapshot), path=snapshot, root=folder, role=None)


def _snapshot(repository: Path) -> Path | None:
    """Return the snapshot that `main` means, else any that holds a model."""
    snapshots = [each for each in _entries(repository / _SNAPSHOTS) if (each / INDEX).is_file()]
    try:
        main = (repository / "refs" / "main").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        main = ""
    return next((each for each in snapshots if each.name == main), None) or next(iter(snapshots), None)


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(each for each in folder.iterdir() if each.is_dir() and each.name.isprintable())
    except OSError:
        return []


def _walk(folder: Path, deepest: int) -> Iterator[Path]:
    for place, below, names in os.walk(folder):
        if len(Path(place).relative_to(folder).parts) >= deepest:
            below.clear()
        # Names that can't be printed, such as undecodable bytes, could be neither asked for nor listed.
        yield from (Path(place) / name for name in names if name.endswith(SUFFIX) and name.isprintable())


def _is_inside(file: Path, root: Path) -> bool:
    try:
        return file.is_file() and file.resolve(strict=True).is_relative_to(root)
    except (OSError, RuntimeError):
        return False
