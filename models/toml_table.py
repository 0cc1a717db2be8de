"""Typed reading of a TOML table: every wrong type, missing key and misspelt key is told by name."""

import tomllib
from collections.abc import Callable, Mapping
from typing import TypeVar, cast

from models.card import CardError

T = TypeVar("T")


class TomlTable:
    """A TOML table that is read key by key; `close` refuses keys that nobody asked for."""

    def __init__(self, values: Mapping[str, object], where: str) -> None:
        self.values = values
        self.where = where
        self._asked: set[str] = set()

    @classmethod
    def parse(cls, text: str, where: str) -> "TomlTable":
        """Parse a whole document; `where` names it in messages."""
        try:
            return cls(tomllib.loads(text), where)
        except tomllib.TOMLDecodeError as error:
            raise CardError(f"{where}: {error}") from error

    def keys(self) -> tuple[str, ...]:
        """The keys that are there."""
        return tuple(self.values)

    def get(self, key: str, read: Callable[[object], T | None], what: str) -> T | None:
        """Return the value of `key`, None where absent; `read` answers None for what is not `what`."""
        self._asked.add(key)
        if key not in self.values:
            return None
        value = read(self.values[key])
        if value is None:
            raise CardError(f"{self.where}: `{key}` must be {what}")
        return value

    def need(self, key: str, value: T | None) -> T:
        """Insist on a value just read."""
        if value is None:
            raise CardError(f"{self.where}: `{key}` is missing")
        return value

    def text(self, key: str) -> str | None:
        """Read text."""
        return self.get(key, lambda value: value if isinstance(value, str) else None, "text")

    def texts(self, key: str) -> tuple[str, ...] | None:
        """Read a list of texts."""
        return self.get(key, _texts, "a list of texts")

    def flag(self, key: str) -> bool:
        """Read true or false; absent means false."""
        return self.get(key, lambda value: value if isinstance(value, bool) else None, "true or false") or False

    def number(self, key: str) -> int | float | None:
        """Read a finite number."""
        return self.get(key, _number, "a number")

    def whole(self, key: str) -> int | None:
        """Read a whole number."""
        return self.get(key, lambda value: value if type(value) is int else None, "a whole number")

    def value(self, key: str) -> str | int | float | None:
        """Read text or a number."""
        return self.get(key, lambda value: value if isinstance(value, str) else _number(value), "text or a number")

    def table(self, key: str) -> "TomlTable | None":
        """Read a table."""
        values = self.get(key, _table, "a table")
        return None if values is None else TomlTable(values, f"{self.where}: [{key}]")

    def tables(self, key: str) -> "tuple[TomlTable, ...] | None":
        """Read a list of tables."""
        rows = self.get(key, _tables, "a list of tables")
        if rows is None:
            return None
        return tuple(TomlTable(row, f"{self.where}: {key}[{place}]") for place, row in enumerate(rows))

    def overlaid(self, other: "TomlTable") -> "TomlTable":
        """Return this table with the keys of `other` on top, named as `other` in messages."""
        return TomlTable({**self.values, **other.values}, other.where)

    def deeply_overlaid(self, other: "TomlTable") -> "TomlTable":
        """Return this table of tables with the keys of each table of `other` on top."""
        merged = dict(self.values)
        for key in other.values:
            own, its = self.table(key), other.need(key, other.table(key))
            merged[key] = its.values if own is None else own.overlaid(its).values
        return TomlTable(merged, other.where)

    def close(self) -> None:
        """Refuse keys that were never asked for: most are spelling mistakes."""
        unknown = sorted(set(self.values) - self._asked)
        if unknown:
            raise CardError(f"{self.where}: `{unknown[0]}` is not a key that belongs here")


def _number(value: object) -> int | float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if abs(value) < float("inf") else None  # false for nan too


def _texts(value: object) -> tuple[str, ...] | None:
    items = _list(value)
    if items is None or not all(isinstance(item, str) for item in items):
        return None
    return tuple(cast("list[str]", items))


def _table(value: object) -> Mapping[str, object] | None:
    return cast("dict[str, object]", value) if isinstance(value, dict) else None


def _tables(value: object) -> list[Mapping[str, object]] | None:
    items = _list(value)
    if items is None or not all(isinstance(item, dict) for item in items):
        return None
    return cast("list[Mapping[str, object]]", items)


def _list(value: object) -> list[object] | None:
    return cast("list[object]", value) if isinstance(value, list) else None
