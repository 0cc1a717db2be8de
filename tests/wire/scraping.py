"""Reading Prometheus's text format by its specification, and by nobody's library: strict about what it may hold."""

import re

_NAME = "[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"'
_SAMPLE = re.compile(rf"({_NAME})(?:\{{((?:{_LABEL},?)*)\}})? (\S+)( -?\d+)?")
_TYPES = {"counter", "gauge", "histogram", "summary", "untyped"}


def parse_exposition(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Return each sample by its name and labels. Raises AssertionError for what the format forbids."""
    assert text.endswith("\n")
    types: dict[str, str] = {}
    samples: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert kind in _TYPES, line
            assert name not in types, f"{name} is typed twice: its samples must stand together"
            types[name] = kind
        elif line and not line.startswith("#"):
            found = _SAMPLE.fullmatch(line)
            assert found, line
            labels = frozenset(re.findall(_LABEL, found[2] or ""))
            assert _base(found[1], types), f"{found[1]} has no type"
            assert (found[1], labels) not in samples, f"told twice: {line}"
            samples[found[1], labels] = float(found[5])
    return samples


def _base(name: str, types: dict[str, str]) -> bool:
    parts = [name.removesuffix(end) for end in ("_bucket", "_sum", "_count")]
    return name in types or any(types.get(part) == "histogram" for part in parts)
