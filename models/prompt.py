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
    """A LoRA that the prompt asks for; 1.0 is the weight as trained."""

    name: str
    weight: float


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt taken apart: the text for the text encoders, the LoRAs, and remarks for the client's log."""

    text: str
    loras: tuple[LoraTag, ...]
    notes: tuple[str, ...]


def split_lora_tags(prompt: str) -> Prompt:
    """Take the LoRA tags out of a prompt.

    No `<lora:` is left in the text: tags that can't be used are dropped with a note, and so is an opening that never
    closes. A hole and the blanks and commas around it become one separator: ", " where there was a comma, else a blank,
    and nothing at the ends or beside a bracket. Everything else stays as written. Of tags with the same name the
    last weight counts.
    """
    found: dict[str, LoraTag] = {}
    notes: list[str] = []

    def take(match: re.Match[str]) -> str:
        tag = _read_tag(match[1], notes)
        if tag is not None:
            _keep(tag, found, notes)
        return _HOLE

    text = _AROUND_HOLES.sub(_separator, _TAG.sub(take, prompt))
    if len(notes) > MAX_NOTES:
        notes[MAX_NOTES:] = [f"{len(notes) - MAX_NOTES} more remarks about LoRA tags are left out."]
    return Prompt(text, tuple(found.values()), tuple(notes))


def _read_tag(content: str | None, notes: list[str]) -> LoraTag | None:
    if content is None:
        notes.append("A LoRA tag without its closing > was dropped.")
        return None
    name, *weights = (part.strip() for part in content.split(":", _MOST_PARTS))
    shown = _shown(content)
    if not name:
        notes.append(f"<lora:{shown}> names no LoRA and was ignored.")
        return None
    numbers = [number_of(weight) for weight in weights]
    usable = [number for number in numbers if number is not None and abs(number) <= MAX_LORA_WEIGHT]
    if len(usable) < len(numbers) or len(numbers) >= _MOST_PARTS:
        notes.append(f"<lora:{shown}> was ignored: its weight must be a number from -5 to 5.")
        return None
    if len(usable) > 1:
        notes.append(f"<lora:{shown}>: the second weight is ignored; the first counts for the text encoders too.")
    return LoraTag(name, float(usable[0]) if usable else 1.0)


def _keep(tag: LoraTag, found: dict[str, LoraTag], notes: list[str]) -> None:
    key = tag.name.casefold()
    if key in found:
        notes.append(f"LoRA {_shown(tag.name)} is named more than once; the last weight counts.")
    elif len(found) >= MAX_LORAS:
        notes.append(f"LoRA {_shown(tag.name)} was ignored: a prompt can use {MAX_LORAS} LoRAs.")
        return
    found[key] = tag


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
