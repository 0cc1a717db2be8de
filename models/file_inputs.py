"""The URLs a request names for a parameter that takes files: under its id, or under `{id}Url`."""

import re
from collections.abc import Mapping, Sequence
from typing import Final, cast
from urllib.parse import urlsplit

from models.card import MAX_FILES, Card, Parameter
from models.parameters import is_placeholder

_MAX_URL: Final = 2048
# Begins where blanks begin and never goes back: a megabyte of them is read once, and not once from each of them.
_BETWEEN: Final = re.compile(r"(?<![\s,])[\s,]++(?=https?://)", re.IGNORECASE)


class FileError(ValueError):
    """What stands for a file can't be used; the message is Wiro's, or in Wiro's voice."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"Request files [{name}] {reason}")


def file_parameters(card: Card) -> Sequence[Parameter]:
    """Return the card's parameters that take files."""
    return [parameter for parameter in card.parameters if parameter.takes_files]


def urls_of(parameter: Parameter, raw: Mapping[str, object]) -> list[str]:
    """Return the URLs given for the parameter, in order. Raises FileError for what is no http(s) URL."""
    several = parameter.type != "fileinput"
    found: list[str] = []
    for name in (parameter.id, f"{parameter.id}[]", f"{parameter.id}Url"):
        for text in _texts(parameter, raw.get(name)):
            parts = _BETWEEN.split(text) if several else [text]
            found.extend(_checked(parameter, part.strip(" ,\t\r\n")) for part in parts)
    # The same file under both names is one file: some clients fill in both.
    return list(dict.fromkeys(found))


def check_count(parameter: Parameter, count: int) -> None:
    """Refuse too few or too many files. Raises FileError."""
    most = 1 if parameter.type == "fileinput" else parameter.max_files or MAX_FILES
    if parameter.required and count == 0:
        raise FileError(parameter.id, "required")
    if count > most:
        raise FileError(parameter.id, "takes one file" if most == 1 else f"takes at most {most} files")


def _texts(parameter: Parameter, given: object) -> list[str]:
    if given is None:
        return []
    if isinstance(given, str):
        text = given.strip()
        return [] if not text or is_placeholder(text) else [text]
    if isinstance(given, list | tuple):
        items = cast("Sequence[object]", given)
        return [text for item in items for text in _texts(parameter, item)]
    raise FileError(parameter.id, "must be a file, or an http or https URL")


def _checked(parameter: Parameter, url: str) -> str:
    try:
        parts = urlsplit(url)
        fits = parts.scheme.lower() in {"http", "https"} and parts.hostname and not parts.username and parts.port != 0
    except ValueError:
        fits = False
    if not fits or len(url) > _MAX_URL or not url.isprintable() or any(char.isspace() for char in url):
        raise FileError(parameter.id, "must be a file, or an http or https URL")
    return url
