"""A small byte-level CLIP tokenizer, learned from a word list: it takes any text, and known words are one token."""

import json
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

from models.vocabulary import read_vocabulary, words_of

BOS = "<|startoftext|>"
EOS = "<|endoftext|>"
END_OF_WORD = "</w>"

Pair: TypeAlias = tuple[str, str]


def write_tokenizer(folder: Path, pad_token: str, words: Sequence[str]) -> None:
    """Write the files of a CLIPTokenizer to whom each of the words is one token into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    merges = learn_merges(words)
    special = {"bos_token": BOS, "eos_token": EOS, "pad_token": pad_token, "unk_token": EOS}
    config = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "do_lower_case": True, **special}
    lines = ["#version: 0.2", *(f"{left} {right}" for left, right in merges)]
    (folder / "vocab.json").write_text(json.dumps(build_vocabulary(merges), ensure_ascii=False), encoding="utf-8")
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "special_tokens_map.json").write_text(json.dumps(special, indent=2), encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")


def vocabulary_size(words: Sequence[str]) -> int:
    """How many tokens the vocabulary holds, the two special ones included."""
    return len(build_vocabulary(learn_merges(words)))


def build_vocabulary(merges: list[Pair]) -> dict[str, int]:
    """Number the tokens in CLIP's order: bytes, bytes that end a word, merges, start, end (the highest id)."""
    symbols = byte_symbols()
    tokens = [*symbols, *(symbol + END_OF_WORD for symbol in symbols), *(left + right for left, right in merges)]
    return {token: index for index, token in enumerate([*tokens, BOS, EOS])}


def byte_symbols() -> list[str]:
    """The printable character that stands for each byte, in CLIP's order: "!" is token 0."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + index) for index in range(len(others))]


def learn_merges(words: Sequence[str]) -> list[Pair]:
    """Byte-pair encoding, learned until each word is one token; ties go to the alphabetically first pair."""
    spelt = [[*word[:-1], word[-1] + END_OF_WORD] for word in words]
    merges: list[Pair] = []
    while pairs := Counter(pair for parts in spelt for pair in pairwise(parts)):
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        spelt = [_merge(parts, best) for parts in spelt]
    return merges


def _merge(parts: list[str], pair: Pair) -> list[str]:
    merged: list[str] = []
    for part in parts:
        # greedily from the left, as the tokenizer will do
        if merged and (merged[-1], part) == pair:
            merged[-1] += part
        else:
            merged.append(part)
    return merged


def known_words() -> list[str]:
    """The words of the vocabulary, as the miniature's tokenizers learned them."""
    vocabulary = read_vocabulary()
    return sorted(vocabulary.words) + sorted({word for text in vocabulary.fillers for word in words_of(text)})
