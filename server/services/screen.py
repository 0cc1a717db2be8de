"""Screen a Run, or the plan of one: ask the prompt gate, write a refusal down, slow down who tries again and again."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from models.card import Card, Value
from models.gate.gate import Gate
from models.prompt import split_lora_tags
from server.domain.errors import Refused
from server.domain.refusal import NewRefusal, Stage, sha256_of
from server.domain.types import ProjectId
from server.ports.refusals import RefusalLog

STRIKES: Final = 5
STRIKES_WITHIN: Final = 3600.0
"""Seconds."""
PAUSE: Final = 60.0
"""Seconds after a refusal in which a project with so many strikes gets the same answer to everything."""

_RUNS: Final = frozenset({Stage.RUN, Stage.WORKER})
_COUNTING: Final[Mapping[Stage, Collection[Stage]]] = {Stage.RUN: _RUNS, Stage.PLAN: _RUNS | {Stage.PLAN}}
"""What counts against a Run, and against a plan. A page plans whatever is being typed: that must not stop anybody's
Runs, and yet nobody may try the gate as often as he likes."""

_NOT_JUDGED: Final = "negativePrompt"


@dataclass(frozen=True, slots=True)
class Screen:
    """What screening needs."""

    gate: Gate
    refusals: RefusalLog


def screen(
    by: Screen, project_id: ProjectId, card: Card, values: Mapping[str, Value], stage: Stage = Stage.RUN
) -> None:
    """Let the values through, or raise Refused: always with the same words, whatever the reason was.

    Every text of the card but the negative prompt is judged, together with the names of the card's own LoRAs.
    """
    strikes = by.refusals.strikes(project_id, STRIKES_WITHIN, _COUNTING[stage])
    if strikes.count >= STRIKES and strikes.last_ago is not None and strikes.last_ago < PAUSE:
        raise Refused
    text = "\n".join(positive_texts(values))
    decision = by.gate.judge(text, names_of(text, card))
    if not decision.refused:
        return
    by.refusals.add(
        NewRefusal(
            project_id=project_id,
            task_id=None,
            stage=stage,
            gate_version=decision.version,
            rules=decision.rules,
            prompt_sha256=sha256_of(str(values.get("prompt", ""))),
        )
    )
    raise Refused


def positive_texts(values: Mapping[str, Value]) -> Sequence[str]:
    """Return every text among the values that says what to draw."""
    return [value for name, value in values.items() if isinstance(value, str) and name != _NOT_JUDGED]


def names_of(text: str, card: Card) -> Sequence[str]:
    """Return the names of the LoRAs a task uses: the card's, then those of the text's tags."""
    return [*(lora.name for lora in card.loras), *(tag.name for tag in split_lora_tags(text).loras)]
