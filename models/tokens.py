"""Cutting text into CLIP tokens without torch, to the token as transformers' `CLIPTokenizer` does with the same files.

Byte-pair encoding over words that end in `</w>`, after NFC, blanks folded and everything in small letters. Special
tokens are found in the text first: where "!" is the padding, as in SDXL's second tokenizer, each is a token of its own.
"""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from tokenizers import AddedToken, Regex, Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import BPE

from models.chunks import Token
from models.weights import WeightSet

_log = logging.getLogger(__name__)

_Named: TypeAlias = str | dict[str, Any]  # a token's text, or an object with its `content` and how it is found

_WORDS: Final = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
_NAMED: Final = ("bos_token", "eos_token", "unk_token", "pad_token")
_HOW: Final = ("single_word", "lstrip", "rstrip", "normalized")
_USUAL_END: Final = "<|endoftext|>"
_USUAL: Final[Mapping[str, _Named]] = dict.fromkeys(_NAMED, _USUAL_END) | {"bos_token": "<|startoftext|>"}


class ClipTokenizer:
    """A tokenizer of one text encoder. Call it with a text; any thread may.

    Args:
        folder: holds `tokenizer.json`, or `vocab.json` and `merges.txt`, and their configuration.

    Raises:
        Exception: the files are no CLIP tokenizer's.
    """

    def __init__(self, folder: Path) -> None:
        vocab, merges, added = _vocabulary(folder)
        config = _read(folder / "tokenizer_config.json")
        if "added_tokens_decoder" in config:
            added = list(config["added_tokens_decoder"].values())
            named = {**_USUAL, **config}
        else:
            named = {**_USUAL, **config, **_read(folder / "special_tokens_map.json")}
        unknown = _content(named["unk_token"])
        self._tokenizer = Tokenizer(
            BPE(vocab=vocab, merges=merges, end_of_word_suffix="</w>", fuse_unk=False, unk_token=unknown)
        )
        self._tokenizer.normalizer = normalizers.Sequence(
            [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
        )
        self._tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(_WORDS), behavior="removed", invert=True),
                pre_tokenizers.ByteLevel(add_prefix_space=False),
            ]
        )
        self._tokenizer.add_tokens(list(_special(added, named)))  # pyright: ignore[reportUnknownMemberType]

    def __call__(self, text: str) -> list[Token]:
        """Return the tokens of `text`, without start and end."""
        encoded = self._tokenizer.encode(text, add_special_tokens=False)
        return [Token(number, token) for number, token in zip(encoded.ids, encoded.tokens, strict=True)]


def tokenizers_of(weights: WeightSet | None) -> tuple[ClipTokenizer, ...]:
    """Return the tokenizers of the base's text encoders; none where they can't be read, or where there are no weights.

    Other weights' tokenizers would count wrongly: nobody guesses.
    """
    if weights is None:
        return ()
    try:
        return tuple(ClipTokenizer(weights.base_folder / name) for name in ("tokenizer", "tokenizer_2"))
    except Exception:  # noqa: BLE001 the library raises bare ones; an engine that can't read them says so itself
        _log.warning("the tokenizers in %s can't be read; tokens aren't counted", weights.base_folder, exc_info=True)
        return ()


def _vocabulary(folder: Path) -> tuple[dict[str, int], list[tuple[str, str]], list[_Named]]:
    """Return the tokens with their ids, the merges in their order, and the tokens that a `tokenizer.json` adds."""
    if (folder / "tokenizer.json").is_file():
        content = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
        model = content["model"]
        return model["vocab"], [_pair(merge) for merge in model["merges"]], content.get("added_tokens", [])
    vocab, merges = BPE.read_file(str(folder / "vocab.json"), str(folder / "merges.txt"))
    return vocab, merges, []


def _pair(merge: str | list[str]) -> tuple[str, str]:
    left, right = merge.split(" ") if isinstance(merge, str) else merge
    return left, right


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def _special(added: Sequence[_Named], named: Mapping[str, _Named]) -> Iterator[AddedToken]:
    """Yield the tokens that are found before a text is cut: the added ones, and those with a name."""
    known = {_content(token) for token in added}
    # one text may have two names that differ in how it is found: then the last counts
    for token in [*added, *(named[name] for name in _NAMED if _content(named[name]) not in known)]:
        how = {} if isinstance(token, str) else {key: token[key] for key in _HOW if key in token}
        yield AddedToken(_content(token), special=True, **how)


def _content(token: _Named) -> str:
    return token if isinstance(token, str) else token["content"]
