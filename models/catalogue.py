"""The catalogue: every card this server knows, packaged or from the operator's folders.

A card is `{owner}/{name}.toml` in a folder of cards; a file directly in that folder is a family of shared parameters.
An alias of a card is a card of its own here, unless there is a card file of that name.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from models.card import Card, CardError
from models.card_file import read_card

_SUFFIX = ".toml"


class Catalogue:
    """Cards by owner and name, upper and lower case alike."""

    def __init__(self, cards: Sequence[Card]) -> None:
        self._cards = {_key(card.owner, card.name): card for card in sorted(cards, key=lambda card: card.slug)}

    @classmethod
    def load(cls, folders: Sequence[Path] = ()) -> "Catalogue":
        """Read the packaged cards, then those in `folders`; a later card replaces an earlier one of the same name.

        Raises CardError for a folder that isn't there and for any card that can't be used.
        """
        cards: dict[tuple[str, str], Card] = {}
        families: dict[str, str] = {}
        for folder in (resources.files("models").joinpath("cards"), *folders):
            if not folder.is_dir():
                raise CardError(f"{folder} is no folder of cards")
            families |= {_stem(entry): _read(entry) for entry in _toml_files(folder)}
            cards |= _cards_in(folder, families)
        return cls(tuple((_aliased(cards.values()) | cards).values()))

    def with_miniature(self, slugs: Collection[str]) -> "Catalogue":
        """Return the catalogue with those cards as they are while the miniature draws them."""
        return Catalogue([card.as_miniature() if card.slug in slugs else card for card in self])

    def find(self, owner: str, name: str) -> Card | None:
        """Return the card of that owner and name, or None."""
        return self._cards.get(_key(owner, name))

    def __iter__(self) -> Iterator[Card]:
        return iter(self._cards.values())

    def __len__(self) -> int:
        return len(self._cards)


def _aliased(cards: Iterable[Card]) -> dict[tuple[str, str], Card]:
    return {_key(alias.owner, alias.name): card.aliased(alias) for card in cards for alias in card.aliases}


def _cards_in(folder: Traversable, families: Mapping[str, str]) -> dict[tuple[str, str], Card]:
    cards: dict[tuple[str, str], Card] = {}
    owners = sorted((entry for entry in folder.iterdir() if entry.is_dir()), key=lambda entry: entry.name)
    for owner in owners:
        for file in _toml_files(owner):
            card = read_card(_read(file), families, str(file))
            key = _key(card.owner, card.name)
            if key != _key(owner.name, _stem(file)):
                raise CardError(f"{file}: the card calls itself {card.slug}; its file must be called that too")
            if key in cards:
                raise CardError(f"{file}: there are two cards {card.slug}")
            cards[key] = card
    return cards


def _toml_files(folder: Traversable) -> list[Traversable]:
    files = (entry for entry in folder.iterdir() if entry.name.endswith(_SUFFIX) and entry.is_file())
    return sorted(files, key=lambda entry: entry.name)


def _read(file: Traversable) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CardError(f"{file} can't be read: {error}") from error


def _stem(file: Traversable) -> str:
    return file.name.removesuffix(_SUFFIX)


def _key(owner: str, name: str) -> tuple[str, str]:
    return owner.casefold(), name.casefold()
