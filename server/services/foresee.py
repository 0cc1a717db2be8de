"""Foresee a Run without queueing it: its steps, its LoRAs, and how long it may take."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median
from typing import Final, Protocol, cast

from models.card import Card, Value
from models.generation import SdxlValues, sdxl_values
from models.memory_estimate import MemoryEstimate
from models.plan import StepPlan, plan_of
from models.plan_timesteps import UnknownSchedule
from models.plan_weights import schedules_of
from models.prompt import Prompt, split_lora_tags
from models.selection import read_selection
from models.shipped import drawn_size
from models.tokens import ClipTokenizer
from models.weights import WeightSet
from server.domain.expectation import Expectation, expectation
from server.domain.lifecycle import TaskStatus
from server.domain.task import Task
from server.domain.types import JsonObject, ProjectId
from server.domain.worker import WorkerState
from server.ports import WorkerRegistry
from server.ports.views import QueueView
from server.services.expect import EVERYBODY
from server.services.installed import Installed
from server.services.prompt_report import prompt_report

_RECENT: Final = 20
_MOST_LORAS: Final = 500
_ENOUGH: Final = 3
"""Drawn tasks before their speed is told to anybody."""


class LoraSight(StrEnum):
    """Whether a LoRA will be applied; `out of sight`: the folder of the weights can't be seen from here."""

    INSTALLED = "installed"
    UNKNOWN = "unknown"
    OUT_OF_SIGHT = "out of sight"


@dataclass(frozen=True, slots=True)
class PlannedLora:
    """A LoRA of the card, of a selection or of the prompt, under the name by which it is installed."""

    name: str
    weight: float
    sight: LoraSight


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreseen:
    """What would happen. `steps` is None where the schedule of the weights is not understood.

    `drawn` is the size at which pictures are drawn, `delivered` the size that was asked for. `installed` names the
    LoRAs that a prompt may use, and `prompt` tells how both prompts are read (`server.services.prompt_report`).
    `seconds` is how long drawing may take, `memory` what it may take, and `wait` how long it may stand in the queue
    before; None where nobody knows.
    """

    card: Card
    values: SdxlValues
    steps: StepPlan | None
    drawn: tuple[int, int]
    delivered: tuple[int, int]
    loras: Sequence[PlannedLora]
    installed: Sequence[str]
    notes: Sequence[str]
    prompt: JsonObject
    seconds: float | None
    memory: MemoryEstimate | None
    position: int | None
    wait: float | None


class _Asked(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def weight(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What foreseeing looks at."""

    queue: QueueView
    registry: WorkerRegistry
    installed: Installed
    alive_within: float


def foresee(around: Surroundings, project_id: ProjectId, card: Card, values: Mapping[str, Value]) -> Foreseen:
    """Foresee what checked values of that card would come to; nothing is written."""
    weights = around.installed.weights_of(card.slug)
    drawing = sdxl_values(values)
    selection = read_selection(values)
    prompt, negative = split_lora_tags(selection.tags + drawing.prompt), split_lora_tags(drawing.negative_prompt)
    notes = [*selection.notes, *prompt.notes, *(f"negativePrompt: {note}" for note in negative.notes)]
    steps = _steps(drawing, weights, notes)
    delivered = drawing.width, drawing.height
    side = weights.miniature_side if weights else None
    drawn = delivered if side is None else drawn_size(*delivered, side)
    expected = _expected(around, project_id, card)
    loras = _loras([*card.loras, *prompt.loras], weights)
    return Foreseen(
        card=card,
        values=drawing,
        steps=steps,
        drawn=drawn,
        delivered=delivered,
        loras=loras,
        installed=list(weights.loras)[:_MOST_LORAS] if weights else [],
        notes=notes,
        prompt=_report(prompt, negative, drawing, loras, around.installed.tokenizers_of(card.slug)),
        seconds=_seconds(around.queue.latest(card.slug, _RECENT), weights, steps, drawn),
        memory=_memory(around, card, drawn, drawing),
        position=expected.position,
        wait=expected.start,
    )


def _report(
    prompt: Prompt,
    negative: Prompt,
    drawing: SdxlValues,
    loras: Sequence[PlannedLora],
    tokenizers: Sequence[ClipTokenizer],
) -> JsonObject:
    """Tell how the prompts are read; of the LoRAs `loras` says more."""
    guided = drawing.guidance_scale > 1
    unknown = [lora.name for lora in loras if lora.sight is LoraSight.UNKNOWN]
    report = prompt_report(prompt, negative, guided=guided, used=(), unknown=unknown, tokenizers=tokenizers)
    return {name: value for name, value in report.items() if name != "loras"}


def _steps(drawing: SdxlValues, weights: WeightSet | None, notes: list[str]) -> StepPlan | None:
    try:
        return plan_of(drawing, schedules_of(weights))
    except UnknownSchedule as unknown:
        notes.append(f"The steps can't be told: in the weights' scheduler configuration {unknown}.")
        return None


def _loras(asked: Sequence[_Asked], weights: WeightSet | None) -> Sequence[PlannedLora]:
    """Look the LoRAs up as a worker does: of several words about the same one the last counts."""
    found: dict[str, PlannedLora] = {}
    for each in asked:
        path = None if weights is None else weights.lora_for(each.name)
        name = each.name if path is None else path.stem
        missing = LoraSight.OUT_OF_SIGHT if weights is None else LoraSight.UNKNOWN
        sight = missing if path is None else LoraSight.INSTALLED
        found[name.casefold()] = PlannedLora(name, each.weight, sight)
    return list(found.values())


def _expected(around: Surroundings, project_id: ProjectId, card: Card) -> Expectation:
    sight = around.queue.foresight(project_id, card.slug, EVERYBODY)
    workers = sum(worker.state is WorkerState.READY for worker in around.registry.alive(around.alive_within))
    expected = expectation(sight, workers)
    return Expectation(expected.position, None if expected.start is None else expected.start - sight.now)


def _memory(around: Surroundings, card: Card, drawn: tuple[int, int], drawing: SdxlValues) -> MemoryEstimate | None:
    devices = [worker.device for worker in around.registry.alive(around.alive_within) if worker.device]
    rows = 2 if drawing.guidance_scale > 1 else 1
    return around.installed.memory_for(card.slug, drawn, rows, next(iter(devices), None))


# ── how long it may take ─────────────────────────────────────────────────────────────────────────────────────────────
def _seconds(
    latest: Sequence[Task], weights: WeightSet | None, steps: StepPlan | None, drawn: tuple[int, int]
) -> float | None:
    """Multiply the median speed of the model's latest tasks, as far as they were drawn with weights of this kind."""
    if steps is None or not latest:
        return None
    miniature = latest[0].receipt.get("miniature") if weights is None else weights.miniature
    speeds = [speed for task in latest if task.receipt.get("miniature") == miniature and (speed := _speed(task))]
    if len(speeds) < _ENOUGH:
        return None
    return median(speeds) * steps.evaluations * drawn[0] * drawn[1]


def _speed(task: Task) -> float | None:
    """Return the seconds that a task took for each UNet evaluation and pixel, from its receipt and its times."""
    start, end = task.times.get(TaskStatus.START), task.times.get(TaskStatus.END)
    evaluations = _number(task.receipt.get("plan"), "unetevaluations")
    size = task.receipt.get("size")
    drawn = size.get("drawn") if isinstance(size, Mapping) else task.values
    pixels = _number(drawn, "width") * _number(drawn, "height")
    if start is None or end is None or not evaluations * pixels:
        return None
    return (end - start) / (evaluations * pixels)


def _number(subject: object, name: str) -> float:
    value = cast("JsonObject", subject).get(name) if isinstance(subject, Mapping) else None
    return float(value) if isinstance(value, int | float) else 0.0
