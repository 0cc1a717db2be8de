"""A small byte-level CLIP tokenizer, learned from a word list: it takes any text, and common words are one token."""

import json
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

BOS = "<|startoftext|>"
EOS = "<|endoftext|>"
END_OF_WORD = "</w>"

_WORDS = """
a abstract afternoon against air alley ancient and animal anime architecture around art artist astronaut at autumn
background beach bear beautiful bedroom behind bench bicycle bird black blue blurry boat book bottle bowl bridge bright
brown building bus by cabin cake camera candle canvas car castle cat chair charcoal child cinematic city clay cliff
clock close closeup cloud clouds coffee cold color colorful composition concept cottage cup dark day deep depth desert
detail detailed digital dog door dragon drawing dream dusk eagle evening eyes face fantasy farm field film fire fish
floating flower flowers fog forest fox from fruit futuristic garden girl glass gold golden gothic grass green grey hair
hand hands harbor hat high highly hill home horse house ice illustration in ink interior island isometric japanese
kitchen knight lake lamp landscape lantern large leaf leather lens light lighthouse lighting line little low macro man
map marble market masterpiece meadow metal misty minimal modern moon morning mountain mountains music near neon night
no ocean of oil old on orange owl painted painting palace paper park pastel path pencil person photo photograph
photorealistic pink plant portrait poster purple quality quiet rain rainbow realistic red render resolution retro ring
river road robot rock roof room rose ruins sand sculpture sea seaside sharp ship shop simple sitting sketch sky small
smile smoke snow snowy soft space spring sports stairs standing star stars statue steampunk still stone storm street
studio style summer sun sunlight sunrise sunset surreal table tea temple text texture the three tiger tiny to tower
town toy train tree trees trending trigger two ugly under umbrella valley vase very vibrant view village vintage violet
wall walking warm water watercolor waterfall waves wearing white wide wild wind window winter with wizard wolf woman
wood wooden woods worst yellow young
"""

Pair: TypeAlias = tuple[str, str]


def write_tokenizer(folder: Path, pad_token: str) -> None:
    """Write vocab.json, merges.txt and the two configuration files of a CLIPTokenizer into `folder`."""
    folder.mkdir(parents=True)
    merges = learn_merges(_WORDS.split())
    (folder / "vocab.json").write_text(json.dumps(build_vocabulary(merges), ensure_ascii=False), encoding="utf-8")
    lines = ["#version: 0.2", *(f"{left} {right}" for left, right in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    special = {"bos_token": BOS, "eos_token": EOS, "pad_token": pad_token, "unk_token": EOS}
    (folder / "special_tokens_map.json").write_text(json.dumps(special, indent=2), encoding="utf-8")
    config = {"tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "do_lower_case": True, **special}
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")


def vocabulary_size() -> int:
    """How many tokens the vocabulary holds, the two special ones included."""
    return len(build_vocabulary(learn_merges(_WORDS.split())))


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
