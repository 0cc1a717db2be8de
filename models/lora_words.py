"""The words that call a LoRA's subject or style, as far as its trainer wrote them into the file."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

MOST_WORDS: Final = 5

_PHRASE: Final = "modelspec.trigger_phrase"
_TAGS: Final = "ss_tag_frequency"
_COMMON: Final = 0.9
"""A tag of nearly every picture is what the LoRA learned; the others say what else is to be seen."""
_LONGEST: Final = 60


def trigger_words(metadata: Mapping[str, str]) -> Sequence[str]:
    """Return the words to put into a prompt: those the maker named, else the tags of nearly all training pictures.

    At most `MOST_WORDS`, the most frequent first, each as one printable line; none where the file says nothing.
    """
    named = [word for word in metadata.get(_PHRASE, "").split(",") if word.strip()]
    words = (_plain(word) for word in named or _common_tags(metadata.get(_TAGS, "")))
    return list(dict.fromkeys(word for word in words if word))[:MOST_WORDS]


def _plain(word: str) -> str:
    return "".join(letter for letter in " ".join(word.split()) if letter.isprintable())[:_LONGEST]


def _common_tags(text: str) -> Sequence[str]:
    """Read kohya's count of tags, {folder: {tag: pictures}}."""
    try:
        folders: Any = json.loads(text)
    except (ValueError, RecursionError):
        return ()
    counts = Counter[str]()
    for tags in cast("dict[str, Any]", folders).values() if isinstance(folders, dict) else ():
        pairs = cast("dict[str, Any]", tags).items() if isinstance(tags, dict) else ()
        counts.update({tag.strip(): count for tag, count in pairs if isinstance(count, int)})
    most = max(counts.values(), default=0)
    return [tag for tag, count in counts.most_common() if count >= most * _COMMON]
