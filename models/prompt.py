"""LoRA tags in a prompt: `<lora:name>`, `<lora:name:weight>` and `<lora:name:weight:text encoder weight>`."""

import re
from dataclasses import dataclass

from models.numbers import number_of

MAX_LORAS = 8
MAX_LORA_WEIGHT = 5.0
MAX_NOTES = 16
_SHOWN_CHARACTERS = 60
_MOST_PARTS = 3

# Possessive and unable to cross another "<", so reading is linear. Without its ">" the tag is unfinished.
_TAG = re.compile(r"<lora:(?:([^<>]*+)>)?", re.IGNORECASE)
_HOLE = "\0"  # never in checked text
_AROUND_HOLES = re.compile(r"[ \t,\0]++")
_TIGHT_AFTER = "([{\n\r"
_TIGHT_BEFORE = ")]}.;!?\n\r"


@dataclass(frozen=True, slots=True)
class LoraTag:
    """A LoRA that the prompt asks for; 1.0 is the weight as trained.

    `text_encoder_weight` is its weight in the text encoders; None: the same.
    """

    name: str
    weight: float
    text_encoder_weight: float | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt taken apart: the text without tags, the LoRAs, remarks for the client's log, and the dropped tags.

    `dropped` holds what stood in the first MAX_NOTES tags that can't be used, each as far as it is shown.
    """

    text: str
    loras: tuple[LoraTag, ...]
    notes: tuple[str, ...]
    dropped: tuple[str, ...] = ()


def split_lora_tags(prompt: str) -> Prompt:
    """Take the LoRA tags out of a prompt.

    No `<lora:` is left in the text: tags that can't be used are dropped with a note, and so is an opening that never
    closes. A hole and the blanks and commas around it become one separator: ", " where there was a comma, else a blank,
    and nothing at the ends or beside a bracket. Everything else stays as written. Of tags with the same name the
    last weight counts.
    """
    found = _Found()

    def take(match: re.Match[str]) -> str:
        found.take(match[1])
        return _HOLE

    holed, tags = _TAG.subn(take, prompt)
    text = _AROUND_HOLES.sub(_separator, holed) if tags else prompt
    notes = found.notes
    if len(notes) > MAX_NOTES:
        notes[MAX_NOTES:] = [f"{len(notes) - MAX_NOTES} more remarks about LoRA tags are left out."]
    return Prompt(text, tuple(found.tags.values()), tuple(notes), tuple(found.dropped[:MAX_NOTES]))


class _Found:
    """The tags found so far."""

    def __init__(self) -> None:
        self.tags: dict[str, LoraTag] = {}
        self.notes: list[str] = []
        self.dropped: list[str] = []

    def take(self, content: str | None) -> None:
        """Take what stands in a tag; None if it never closes."""
        if content is None:
            self._drop("<lora:", "A LoRA tag without its closing > was dropped.")
            return
        name, *weights = (part.strip() for part in content.split(":", _MOST_PARTS))
        shown = f"<lora:{_shown(content)}>"
        numbers = [number_of(weight) for weight in weights]
        usable = [float(number) for number in numbers if number is not None and abs(number) <= MAX_LORA_WEIGHT]
        if not name:
            self._drop(shown, f"{shown} names no LoRA and was ignored.")
        elif len(usable) < len(numbers) or len(numbers) >= _MOST_PARTS:
            self._drop(shown, f"{shown} was ignored: its weight must be a number from -5 to 5.")
        else:
            self._keep(LoraTag(name, *(usable or [1.0])), shown)

    def _keep(self, tag: LoraTag, shown: str) -> None:
        key = tag.name.casefold()
        if key in self.tags:
            self.notes.append(f"LoRA {_shown(tag.name)} is named more than once; the last weight counts.")
        elif len(self.tags) >= MAX_LORAS:
            self._drop(shown, f"LoRA {_shown(tag.name)} was ignored: a prompt can use {MAX_LORAS} LoRAs.")
            return
        self.tags[key] = tag

    def _drop(self, shown: str, note: str) -> None:
        self.notes.append(note)
        self.dropped.append(shown)


def _shown(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"


def _separator(match: re.Match[str]) -> str:
    around, text = match[0], match.string
    if _HOLE not in around:
        return around
    at_end = match.start() == 0 or match.end() == len(text)
    if at_end or text[match.start() - 1] in _TIGHT_AFTER or text[match.end()] in _TIGHT_BEFORE:
        return ""
    return ", " if "," in around else " "
