"""The registry: weights that were adopted where they lie. A JSON file in a folder of models, read like its layout."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from models.recognise import Role

REGISTRY: Final = "models.json"
_VERSION: Final = 1
_LONGEST_NAME: Final = 120


class RegistryError(ValueError):
    """A registry can't be read, or a name can't stand in one; the message is one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """Weights at an absolute path. `config`: a folder in diffusers' layout with what a single file doesn't hold."""

    role: Role
    path: Path
    config: Path | None = None


def read_registry(folder: Path) -> Mapping[str, Adopted]:
    """Return what the registry of that folder names; nothing where there is none. Raises RegistryError."""
    file = folder / REGISTRY
    try:
        text = file.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise RegistryError(f"{file} can't be read: {error}.") from None
    try:
        return _parse(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RegistryError(f"{file} is no registry of models ({error}); mend it, or remove it and add anew.") from None


def write_registry(adopted: Mapping[str, Adopted]) -> str:
    """Return the registry's text."""
    return json.dumps(
        {"version": _VERSION, "models": {name: _entry(adopted[name]) for name in sorted(adopted)}}, indent=2
    )


def check_name(name: str) -> str:
    """Return the name. Raises RegistryError for one that could be a path, or that no prompt's tag could hold."""
    bad = next((sign for sign in name if sign in '/\\<>:"|?*' or not sign.isprintable()), None)
    if bad is not None or name.strip(" .") != name or not 0 < len(name) <= _LONGEST_NAME:
        raise RegistryError(f"{name!r} can't be a name: use letters, digits, blanks, '.', '_' and '-'.")
    return name


def _parse(content: object) -> dict[str, Adopted]:
    table = cast("dict[str, object]", content)
    if table["version"] != _VERSION:
        raise ValueError(f"version {table['version']}")
    models = cast("dict[str, dict[str, str]]", table["models"])
    return {check_name(name): _adopted(entry) for name, entry in models.items()}


def _adopted(entry: Mapping[str, str]) -> Adopted:
    config = entry.get("config")
    return Adopted(role=Role(entry["as"]), path=Path(entry["path"]), config=Path(config) if config else None)


def _entry(adopted: Adopted) -> dict[str, str]:
    config = {"config": str(adopted.config)} if adopted.config else {}
    return {"as": adopted.role.value, "path": str(adopted.path), **config}
