"""Normal form of a prompt: what it says, whichever characters it says it with."""

import re
import tomllib
import unicodedata
from collections.abc import Mapping
from importlib.resources import files
from typing import Final, cast

STANDS_FOR: Final[Mapping[str, str]] = {
    "0": "o",
    "1": "il",
    "2": "z",
    "3": "e",
    "4": "a",
    "5": "s",
    "6": "bg",
    "7": "t",
    "8": "b",
    "9": "g",
    "@": "a",
    "$": "s",
    "!": "il",
    "|": "il",
    "+": "t",
    "€": "e",
    "£": "l",
    "¢": "c",
    "*": "aeiou",
    "i": "l",
    "l": "i",
    "u": "v",
    "v": "u",
    "z": "s",
    "ñ": "n",
}
"""Letters that a character may be written for, besides itself."""

SOFT: Final = frozenset("@$!|+€£¢*")
"""Signs that may be letters, and may be nothing but signs."""

_ENYE: Final = "ñ"  # the one letter that keeps its mark: niña is a child, Nina a name
_TILDE: Final = "\u0303"
_CAMEL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_TOO_MANY: Final = re.compile(r"([^\d ])\1{2,}")
_BIGGEST_NUMBER: Final = 10**5

# Blank to the eye, and not of a category that says so.
_FILLERS: Final = frozenset("\u115f\u1160\u3164\uffa0\u2800")
_NAMED: Final = re.compile(
    r"LATIN (?:(?:SMALL|CAPITAL) )?LETTER (?:SMALL CAPITAL |DOTLESS |SCRIPT )?([A-Z])(?: WITH .*)?"
)
_BADGE: Final = re.compile(
    r"(?:NEGATIVE CIRCLED|NEGATIVE SQUARED|CROSSED NEGATIVE SQUARED) LATIN CAPITAL LETTER ([A-Z])"
    r"|REGIONAL INDICATOR SYMBOL LETTER ([A-Z])"
)
_NAMED_RANGES: Final = ((0xC0, 0x250), (0x250, 0x2B0), (0x1D00, 0x1DC0), (0x2C60, 0x2C80), (0xA720, 0xA800))
_BADGE_RANGES: Final = ((0x1F150, 0x1F200),)
_SPELLED_OUT: Final = {"æ": "ae", "Æ": "ae", "œ": "oe", "Œ": "oe", "ß": "ss", "ø": "o", "Ø": "o", _ENYE: _ENYE}
_KANA_MARKS: Final = "\u3099\u309a"  # part of the letter: か and が are two
_KATAKANA: Final = range(0x30A1, 0x30F7)
_TO_HIRAGANA: Final = 0x60


def normalise(text: str) -> str:
    """Return the normal form: small bare letters, digits and signs, with one blank wherever something else stood.

    Marks and invisible characters are gone, lookalikes are Latin, katakana is hiragana, three of a letter are two, and
    a capital after a small letter begins a word. What is normal already stays as it is.
    """
    spaced = _CAMEL.sub(" ", _bare(text))
    plain = _bare(spaced.casefold()).translate(_SHAPE)
    return _TOO_MANY.sub(r"\1\1", " ".join(plain.split()))


def _bare(text: str) -> str:
    """Take off everything that only dresses a letter up."""
    if text.isascii():
        return text
    apart = unicodedata.normalize("NFKD", text).translate(_UNSEEN)
    marked = apart.replace("n" + _TILDE, _ENYE).replace("N" + _TILDE, _ENYE)
    return unicodedata.normalize("NFC", marked.translate(_LETTERS))


class _Unseen(dict[int, str | None]):
    """Drops what can't be seen. A table for `str.translate`, as the next two are."""

    def __missing__(self, code: int) -> str | None:
        char = chr(code)
        hidden = unicodedata.category(char) in {"Cf", "Cs"} or char in _FILLERS
        return None if hidden else char


class _Letters(dict[int, str | None]):
    """Drops marks and folds lookalikes, kana and digits."""

    def __missing__(self, code: int) -> str | None:
        char = chr(code)
        if code in _KATAKANA:
            return chr(code - _TO_HIRAGANA)
        category = unicodedata.category(char)
        if category in {"Mn", "Me"}:
            return char if char in _KANA_MARKS else None
        return _digits(char) if category.startswith("N") else char


class _Shape(dict[int, str]):
    """Keeps letters, digits and pictures; the rest separates."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        return char if char.isalnum() or char in SOFT or unicodedata.category(char) == "So" else " "


def _digits(char: str) -> str:
    value = unicodedata.numeric(char, -1.0)
    return str(int(value)) if value == int(value) and 0 <= value < _BIGGEST_NUMBER else " "


def lookalikes() -> Mapping[str, str]:
    """Return what each letter of another alphabet is read as."""
    table = dict(_SPELLED_OUT)
    for start, end in (*_NAMED_RANGES, *_BADGE_RANGES):
        for char in map(chr, range(start, end)):
            name = unicodedata.name(char, "")
            match = _NAMED.fullmatch(name) or _BADGE.fullmatch(name)
            if match is not None:
                table.setdefault(char, (match[1] or match[match.lastindex or 1]).lower())
    text = (files("models.gate") / "lookalikes.toml").read_text(encoding="utf-8")
    for letter, others in cast("dict[str, str]", tomllib.loads(text)).items():
        table.update(dict.fromkeys(others, letter))
    return table


_ASCII: Final = {code: chr(code) for code in range(0x80)}
_UNSEEN: Final = _Unseen(_ASCII)
_LETTERS: Final = _Letters(_ASCII | {ord(char): letter for char, letter in lookalikes().items()})
_SHAPE: Final = _Shape({code: char if char.isalnum() or char in SOFT else " " for code, char in _ASCII.items()})
