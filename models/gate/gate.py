"""The gate: whether a prompt may be drawn, and by which rules not."""

import logging
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final, Protocol

from models.emphasis import plain_text, read_emphasis
from models.gate.lexicon import Rule, Signal, read_lexicon
from models.gate.matcher import Findings, Matcher, Overworked, found_rules
from models.gate.normal import normalise
from models.prompt import split_lora_tags

_log = logging.getLogger(__name__)

FAULT: Final = "gate.fault"
"""The rule of a gate that failed: it refuses."""
EFFORT: Final = "gate.effort"
"""The rule of a text that is made to keep the gate busy."""

# What only steers the drawing: openings of tags, weights, breaks and brackets. Possessive, so reading is linear.
_SYNTAX: Final = re.compile(
    r"<\s*+(?i:lora|lyco|hypernet|embedding)\s*+:|:[\s\d.+-]*+(?=[)\]>:])|BREAK|\bAND\b|[()\[\]{}<>|\\]"
)


@dataclass(frozen=True, slots=True)
class Decision:
    """What the gate says: `rules` are the ids of what refused, and never the text they found."""

    version: str
    rules: tuple[str, ...] = ()

    @property
    def refused(self) -> bool:
        """Whether the prompt may not be drawn."""
        return bool(self.rules)


class Finder(Protocol):
    """What searches a normal form."""

    def find(self, text: str) -> Findings:
        """Find every term."""
        ...


class Gate:
    """Judges prompts: refused is what has both minor context and sexual context. Any thread may ask."""

    def __init__(self, version: str, finder: Finder) -> None:
        self.version = version
        self._finder = finder

    def judge(self, prompt: str, names: Sequence[str] = ()) -> Decision:
        """Judge a positive prompt together with the names of its LoRAs. A gate that fails refuses."""
        try:
            return Decision(self.version, self._refusing(prompt, names))
        except Overworked:
            return Decision(self.version, (EFFORT,))
        except Exception:  # noqa: BLE001 whatever it is: what can't be judged is not drawn
            _log.exception("the prompt gate failed and refuses the prompt")
            return Decision(self.version, (FAULT,))

    def _refusing(self, prompt: str, names: Sequence[str]) -> tuple[str, ...]:
        rules: set[Rule] = set()
        for text in {normalise(view) for view in set(_views(prompt, names))}:
            rules |= found_rules(self._finder.find(text).hits, len(text))
        minor = {rule for rule in rules if rule.signal is Signal.MINOR}
        sexual = {rule for rule in rules if rule.signal is Signal.SEXUAL}
        pairs = [(one, other) for one in minor for other in sexual if _count_together(one, other)]
        return tuple(sorted({rule.id for pair in pairs for rule in pair}))


@cache
def load_gate() -> Gate:
    """Return the gate of this release's words, made once. Raises CardError when they can't be used."""
    lexicon = read_lexicon()
    return Gate(lexicon.version, Matcher(lexicon))


def _views(prompt: str, names: Collection[str]) -> Iterator[str]:
    """Yield the prompt as it stands, without its syntax, without its LoRA tags, and as the text encoders read it.

    Each may hide a word that another shows.
    """
    behind = " " + " ".join(names)
    without_tags = split_lora_tags(prompt).text
    yield prompt + behind
    yield _SYNTAX.sub(" ", prompt) + behind
    yield _SYNTAX.sub(" ", without_tags) + behind
    yield plain_text(read_emphasis(without_tags)) + behind


def _count_together(one: Rule, other: Rule) -> bool:
    return one.language == other.language or not (one.ambiguous or other.ambiguous)
