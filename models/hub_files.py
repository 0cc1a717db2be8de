"""Which files of a repository on the hub are needed: safetensors of one variant, configurations, tokenizers."""

import re
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from typing import Final

from models.recognise import INDEX, Role
from models.safetensors_header import SUFFIX

_NETWORKS: Final = ("unet", "vae", "text_encoder", "text_encoder_2")
_TOKENIZERS: Final = ("tokenizer", "tokenizer_2")
_TOKENIZER_FILES: Final = frozenset(
    {"vocab.json", "merges.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"}
)
_SCHEDULER: Final = "scheduler/scheduler_config.json"
_NETWORK_STEMS: Final = r"(?:model|diffusion_pytorch_model)"


class NothingToPull(Exception):
    """The repository holds nothing that can be drawn with; the message is a sentence without its subject."""


def choose_files(names: Iterable[str], *, role: Role | None, variant: str, file: str | None) -> Sequence[str]:
    """Return the files to fetch, sorted; several where they make a folder. Raises NothingToPull."""
    sound = sorted(name for name in names if _is_sound(name))
    if file is not None:
        if file not in sound or not file.endswith(SUFFIX):
            raise NothingToPull(f"has no {SUFFIX} file {file!r}")
        return [file]
    if INDEX in sound and role is not Role.LORA:
        return _expert(sound, variant)
    if "config.json" in sound and role is not Role.LORA:
        return ["config.json", *_weights(sound, "", variant)]
    singles = [name for name in sound if "/" not in name and name.endswith(SUFFIX)]
    if len(singles) == 1:
        return singles
    if not singles:
        raise NothingToPull(f"has no {SUFFIX} file, and easel reads no others")
    raise NothingToPull(f"has several {SUFFIX} files; choose one with --file: {', '.join(singles[:8])}")


def _expert(names: Sequence[str], variant: str) -> list[str]:
    chosen = [INDEX, *(name for name in names if name == _SCHEDULER)]
    for part in _NETWORKS:
        if f"{part}/config.json" in names:
            chosen += [f"{part}/config.json", *_weights(names, f"{part}/", variant)]
    tokenizers = (f"{part}/{name}" for part in _TOKENIZERS for name in sorted(_TOKENIZER_FILES))
    return [*chosen, *(name for name in tokenizers if name in names)]


def _weights(names: Sequence[str], place: str, variant: str) -> list[str]:
    for infix in (rf"\.{re.escape(variant)}", "") if variant else ("", r"\.fp16"):
        shard = r"(?:-\d+-of-\d+)?"
        wanted = re.compile(rf"{re.escape(place)}{_NETWORK_STEMS}(?:{shard}{infix}|{infix}{shard})\.safetensors")
        index = re.compile(rf"{re.escape(place)}{_NETWORK_STEMS}\.safetensors\.index{infix}\.json")
        if found := [name for name in names if wanted.fullmatch(name)]:
            return [*found, *(name for name in names if index.fullmatch(name))]
    raise NothingToPull(f"has no {SUFFIX} file in {place or 'it'}, and easel reads no others")


def _is_sound(name: str) -> bool:
    """Whether a name that a server sent may become a path below a folder."""
    path = PurePosixPath(name)
    parts_sound = all(part not in {"", ".", ".."} and not part.startswith(".") for part in name.split("/"))
    return parts_sound and not path.is_absolute() and name.isprintable() and not set('\\:*?"<>|') & set(name)
