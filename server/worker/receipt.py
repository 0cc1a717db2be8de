"""The receipt: what a task is drawn with, and how that differs from what was asked. Shown in Detail.

A subject is an object; where there is something to say to people it has a `note`, one plain sentence.
"""

from collections.abc import Mapping
from typing import Final

from models.emphasis import plain_text, read_emphasis
from models.layouts import weights_name
from models.plan import StepPlan
from models.vocabulary import read_vocabulary
from models.weights import WeightSet
from pipelines.contract import GenerationRequest, Phase
from server.domain.types import JsonObject, JsonValue
from server.services.plan_shape import plan_subject

_MOST_WORDS: Final = 50
_LONGEST_WORD: Final = 40


def receipt_of(
    request: GenerationRequest, weights: WeightSet | None, delivered: tuple[int, int], plan: StepPlan | None
) -> JsonObject:
    """Return what is known before the first step; `delivered` is the size that was asked for."""
    planned: JsonObject = {} if plan is None else {"plan": plan_subject(plan)}
    if weights is None:
        return {"miniature": False, "weights": {"name": "fake"}, **planned}
    if not weights.miniature:
        return {"miniature": False, "weights": _real(request, weights), **planned}
    receipt: dict[str, JsonValue] = {"miniature": True, "weights": _miniature(), **planned}
    if delivered != (request.width, request.height):
        receipt["size"] = _size((request.width, request.height), delivered)
    if unknown := _unknown(request):
        receipt["words"] = _words(unknown)
    return receipt


def notes_of(receipt: JsonObject) -> list[str]:
    """Return the sentences of a receipt."""
    subjects = [subject for subject in receipt.values() if isinstance(subject, dict)]
    return [str(subject["note"]) for subject in subjects if "note" in subject]


def phases_subject(seconds: Mapping[Phase, float]) -> JsonObject:
    """Return the seconds spent in each phase, by its name, in the phases' order."""
    return {phase.value: round(seconds[phase], 3) for phase in Phase if phase in seconds}


def _real(request: GenerationRequest, weights: WeightSet) -> JsonObject:
    refiner = weights.refiner if request.use_refiner else None
    return {"name": weights_name(weights.base), "refiner": weights_name(refiner) if refiner else None}


def _miniature() -> JsonObject:
    note = "Drawn with the miniature that ships with easel, as the real weights of this model are not installed."
    return {"name": "miniature", "note": note}


def _size(drawn: tuple[int, int], delivered: tuple[int, int]) -> JsonObject:
    return {
        "drawn": _sides(drawn),
        "delivered": _sides(delivered),
        "note": f"Drawn at {drawn[0]} × {drawn[1]}, the miniature's own area, and enlarged to "
        f"{delivered[0]} × {delivered[1]}.",
    }


def _sides(size: tuple[int, int]) -> JsonObject:
    return {"width": size[0], "height": size[1]}


def _unknown(request: GenerationRequest) -> list[str]:
    read = (plain_text(read_emphasis(text)) for text in (request.prompt, request.negative_prompt))
    words = read_vocabulary().unknown_words(" ".join(read))
    return [word[:_LONGEST_WORD] for word in words[:_MOST_WORDS]]


def _words(unknown: list[str]) -> JsonObject:
    return {"unknown": unknown, "note": f"The miniature has never seen: {', '.join(unknown)}."}
