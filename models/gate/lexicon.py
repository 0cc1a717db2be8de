"""The gate's words: read from words.toml, with their templates written out."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from typing import Final, cast

from models.card import CardError
from models.toml_table import TomlTable

_SLOT: Final = re.compile(r"\{([\w.]+)\}")


class Signal(StrEnum):
    """What a word says. BENIGN phrases take the words in them out of the count."""

    MINOR = "minor"
    SEXUAL = "sexual"
    BENIGN = "benign"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What a find counts as. An `ambiguous` one counts only beside the other signal in the same language."""

    signal: Signal
    category: str
    language: str
    ambiguous: bool

    @property
    def id(self) -> str:
        """The name shown in audits."""
        return f"{self.signal}.{self.category}.{self.language}" + (".ambiguous" if self.ambiguous else "")


@dataclass(frozen=True, slots=True)
class WordList:
    """The terms of one rule, as written in the data."""

    rule: Rule
    terms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Lexicon:
    """All word lists and their version."""

    version: str
    lists: tuple[WordList, ...]


def read_lexicon() -> Lexicon:
    """Read words.toml. Raises CardError when it can't be used."""
    return parse_lexicon((files("models.gate") / "words.toml").read_text(encoding="utf-8"))


def parse_lexicon(text: str) -> Lexicon:
    """Read the text of a lexicon. Raises CardError when it can't be used."""
    table = TomlTable.parse(text, "words.toml")
    slots_table = table.table("slots")
    slots = {} if slots_table is None else _slots(slots_table.values)
    lists = tuple(_word_list(each, slots) for each in table.tables("list") or ())
    version = table.need("version", table.text("version"))
    table.close()
    return Lexicon(version, lists)


def _slots(values: Mapping[str, object], prefix: str = "") -> dict[str, Sequence[str]]:
    """Flatten `of_age.en = […]`, which TOML reads as a table in a table."""
    slots: dict[str, Sequence[str]] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            slots |= _slots(cast("dict[str, object]", value), f"{prefix}{name}.")
        else:
            slots[prefix + name] = cast("list[str]", value)
    return slots


def _word_list(table: TomlTable, slots: Mapping[str, Sequence[str]]) -> WordList:
    rule = Rule(
        signal=table.need("signal", table.get("signal", _signal, "minor, sexual or benign")),
        category=table.need("category", table.text("category")),
        language=table.need("language", table.text("language")),
        ambiguous=table.flag("ambiguous"),
    )
    terms = [term for each in table.need("terms", table.texts("terms")) for term in _written_out(each, slots)]
    if table.flag("plural"):
        terms += [term + "s" for term in terms]
    table.close()
    return WordList(rule, tuple(terms))


def _signal(value: object) -> Signal | None:
    return Signal(value) if value in set(Signal) else None


def _written_out(template: str, slots: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the template with its first slot filled in every way, and so on."""
    slot = _SLOT.search(template)
    if slot is None:
        return [template]
    if slot[1] not in slots:
        raise CardError(f"words.toml: there is no slot {slot[0]}")
    before, after = template[: slot.start()], template[slot.end() :]
    return [term for value in slots[slot[1]] for term in _written_out(before + value + after, slots)]
