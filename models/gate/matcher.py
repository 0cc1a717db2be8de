"""Finding the gate's words in a normal form: a walk down a trie from every place where a word may begin.

Along the walk a character may be read as each letter it can stand for, a letter may be repeated, and a few signs or
blanks may stand anywhere. What is found must end where a word may end, or be followed by another find. A walk is never
longer than the longest term allows, so the work grows with the text's length and no faster.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from models.gate.lexicon import Lexicon, Rule
from models.gate.normal import normalise
from models.gate.view import View

_MOST_REPEATS: Final = 1
_MOST_SKIPS: Final = 2
_MOST_CHAINED: Final = 2
_ROOT: Final = 0

MOST_STEPS: Final = 40
"""Steps per character that a text may cost. People's prompts take one, spelt apart nine; only made-up ones more."""
_SPARE_STEPS: Final = 4000


class Overworked(Exception):
    """The text is made to be expensive to read."""


@dataclass(frozen=True, slots=True)
class Hit:
    """A rule's find at text[start:end]."""

    rule: Rule
    start: int
    end: int


@dataclass(slots=True)
class Findings:
    """What was found, and how many steps it took."""

    hits: set[Hit] = field(default_factory=set[Hit])
    steps: int = 0


_Chain: TypeAlias = tuple[Hit, ...]
_State: TypeAlias = tuple[int, int, int]  # node, repeats of its letter, where the term began
_Frontier: TypeAlias = dict[_State, _Chain]


class Matcher:
    """A compiled lexicon. Immutable once made: any thread may search with it."""

    def __init__(self, lexicon: Lexicon) -> None:
        self._children: list[dict[str, int]] = [{}]
        self._letters: list[str] = [""]
        self._rules: list[tuple[Rule, ...]] = [()]
        for words in lexicon.lists:
            for term in words.terms:
                self._add(normalise(term).replace(" ", ""), words.rule)

    def _add(self, term: str, rule: Rule) -> None:
        node = _ROOT
        for letter in term:
            child = self._children[node].get(letter)
            if child is None:
                child = len(self._letters)
                self._children[node][letter] = child
                self._children.append({})
                self._letters.append(letter)
                self._rules.append(())
            node = child
        if node != _ROOT and rule not in self._rules[node]:
            self._rules[node] += (rule,)

    def find(self, text: str) -> Findings:
        """Find every term in a normal form. Raises Overworked."""
        found = Findings()
        view = View(text)
        first = self._children[_ROOT]
        for start in view.starts():
            if any(reading in first for reading in view.readings[start]):
                self._walk(view, start, found)
            if found.steps > MOST_STEPS * len(text) + _SPARE_STEPS:
                raise Overworked
        return found

    def _walk(self, view: View, start: int, found: Findings) -> None:
        frontier: _Frontier = {(_ROOT, 0, start): ()}
        skips = 0
        for place in range(start, len(view.text)):
            passed = view.passable[place] and place > start
            skips = skips + 1 if passed else 0
            moved = self._moved(frontier, view.readings[place], found)
            if moved:
                self._note(view, moved, place + 1, found)
            if passed and skips <= _MOST_SKIPS:  # what follows in the same word does not go on in the next
                moved = {state: chain for state, chain in frontier.items() if not chain} | moved
            frontier = moved
            if not frontier:
                return

    def _moved(self, frontier: _Frontier, readings: str, found: Findings) -> _Frontier:
        """Return where the walk stands after one character in each of its readings."""
        moved: _Frontier = {}
        for (node, repeats, began), chain in frontier.items():
            children, letter = self._children[node], self._letters[node]
            found.steps += len(readings)
            for reading in readings:
                child = children.get(reading)
                if child is not None:
                    moved[child, 0, began] = chain
                if reading == letter and repeats < _MOST_REPEATS and not letter.isdigit():
                    moved.setdefault((node, repeats + 1, began), chain)
        return moved

    def _note(self, view: View, moved: _Frontier, end: int, found: Findings) -> None:
        """Keep the terms that end here; where no word can end, see whether another term follows."""
        for (node, _, began), chain in list(moved.items()):
            rules = self._rules[node]
            if not rules:
                continue
            hits = (*chain, *(Hit(rule, began, end) for rule in rules))
            if view.may_end(end):
                found.hits.update(hits)
            elif len(hits) <= _MOST_CHAINED and not self._letters[node].isdigit():
                moved.setdefault((_ROOT, 0, end), hits)


def found_rules(hits: Collection[Hit], length: int) -> set[Rule]:
    """Return the rules that count: those of finds that don't begin inside a benign phrase."""
    benign = bytearray(length + 1)
    for hit in hits:
        if hit.rule.signal == "benign":
            benign[hit.start : hit.end] = b"\1" * (hit.end - hit.start)
    return {hit.rule for hit in hits if hit.rule.signal != "benign" and not benign[hit.start]}
