"""Weights chosen by fields of their own: what n8n's nodes send beside the prompt."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from models.card import Value

MODEL_FIELDS: Final = ("selectedModel", "selectedModelPrivate")
LORA_FIELDS: Final = ("selectedLoraModel", "selectedLoraModelPrivate")
ADDRESS_FIELD: Final = "selectedLoraModelPrivateUrl"
_SUFFIX: Final = ".safetensors"
_SHOWN_CHARACTERS: Final = 60


@dataclass(frozen=True, slots=True)
class Selection:
    """The selected LoRAs as `<lora:name:1>` tags, and remarks for the client's log."""

    tags: str
    notes: tuple[str, ...]


def read_selection(values: Mapping[str, Value]) -> Selection:
    """Read the selections out of checked values. What can't be followed is told in a remark and ignored.

    A LoRA is selected by its name, by the slug of its model (`owner/name`) or by its file's name.
    """
    notes = [
        f"{field} {_shown(chosen)} was ignored: a model draws with its own weights; run another model for others."
        for field in MODEL_FIELDS
        for chosen in _lines(values, field)
    ]
    notes += [
        f"{ADDRESS_FIELD} {_shown(chosen)} was ignored: no weights are fetched from addresses; "
        "have the file put beside the other LoRAs and select it by its name."
        for chosen in _lines(values, ADDRESS_FIELD)
    ]
    tags: dict[str, None] = {}
    for field in LORA_FIELDS:
        for chosen in _lines(values, field):
            name = _lora_name(chosen)
            if name is None:
                notes.append(f"{field} {_shown(chosen)} was ignored: it is no name of a LoRA.")
            else:
                tags[f"<lora:{name}:1>"] = None  # chosen twice is chosen once
    return Selection("".join(tags), tuple(notes))


def _lines(values: Mapping[str, Value], field: str) -> list[str]:
    # A task may be older than these fields.
    return [line.strip() for line in str(values.get(field, "")).split("\n") if line.strip()]


def _lora_name(chosen: str) -> str | None:
    if "://" in chosen or any(character in chosen for character in "<>:"):
        return None
    name = chosen.rpartition("/")[2].strip()
    return name.removesuffix(_SUFFIX) or None


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…")
