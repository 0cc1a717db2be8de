"""A normal form as the matcher reads it: where words may begin and end, and what each character may stand for."""

from collections.abc import Iterator, Mapping
from typing import Final

from models.gate.normal import SOFT, STANDS_FOR

_WILD: Final = "*"
_READINGS: Final[Mapping[str, str]] = {char: char + others for char, others in STANDS_FOR.items()}
_DIGIT_LOOKALIKES: Final = {"o": "0", "i": "1", "l": "1"}
_FIRST_SOLID: Final = "\u2e80"  # from here on scripts write without blanks, or join particles to words


class View:
    """A text, and for each of its places: the letters it may be read as, and whether it may be passed over."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.passable = [char == " " or char in SOFT for char in text]
        self.readings = [_READINGS.get(char, char) for char in text]
        for place, char in enumerate(text):
            if char in SOFT:
                self.readings[place] = self._of_a_sign(place)
            elif char in _DIGIT_LOOKALIKES and any(each.isdigit() for each in self._beside(place)):
                self.readings[place] += _DIGIT_LOOKALIKES[char]

    def starts(self) -> Iterator[int]:
        """Places where a term may begin."""
        before = " "
        for place, char in enumerate(self.text):
            if char != " " and _parted(before, char):
                yield place
            before = char

    def may_end(self, end: int) -> bool:
        """Whether a word may end before that place."""
        return end == len(self.text) or _parted(self.text[end - 1], self.text[end])

    def _of_a_sign(self, place: int) -> str:
        """A sign stands for a letter beside a letter only, the wild one only alone between two."""
        char, beside = self.text[place], self._beside(place)
        if char == _WILD:
            crowded = _WILD in self.text[max(place - 2, 0) : place]
            return char if crowded or not beside.isalpha() else _READINGS[char]
        return _READINGS[char] if any(each.isalpha() for each in beside) else char

    def _beside(self, place: int) -> str:
        return self.text[max(place - 1, 0) : place] + self.text[place + 1 : place + 2]


def _parted(left: str, right: str) -> bool:
    """Whether a word may end between the two characters: never inside a word or a number."""
    if left.isdigit() or right.isdigit():
        return not (left.isdigit() and right.isdigit())
    return not (_joins(left) and _joins(right))


def _joins(char: str) -> bool:
    """Whether the character is a letter of a script that writes words apart."""
    return char.isalpha() and char < _FIRST_SOLID
