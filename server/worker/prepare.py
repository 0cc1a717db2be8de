"""From a claimed task to an engine's request: its values in engine terms, its LoRAs looked up."""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, cast

from models.card import Card, Value
from models.catalogue import Catalogue
from models.file_inputs import file_parameters
from models.gate.gate import Gate
from models.generation import SdxlValues, sdxl_values
from models.plan import StepPlan, plan_of
from models.plan_timesteps import UnknownSchedule
from models.plan_weights import schedules_of
from models.prompt import LoraTag, split_lora_tags
from models.selection import ADDRESS_FIELD, read_selection
from models.shipped import drawn_size
from models.tokens import tokenizers_of
from models.weights import WeightSet
from pipelines.contract import GenerationRequest, LoraUse
from server.domain.errors import Refused
from server.domain.refusal import NewRefusal, Stage, sha256_of
from server.domain.task import Task
from server.domain.types import JsonObject
from server.services.prompt_report import prompt_report
from server.worker.receipt import receipt_of

_log = logging.getLogger(__name__)


class CannotPrepare(Exception):
    """The task can't be drawn here; the message says why in one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A task in the engine's terms. `remarks` are for the task's log, `receipt` for whoever asks what it is drawn with.

    `values` are the task's own, without files and addresses of clients. `enlarged_to` is the size at which pictures are
    delivered, where they are drawn smaller.
    """

    request: GenerationRequest
    remarks: Sequence[str]
    receipt: JsonObject
    values: JsonObject
    enlarged_to: tuple[int, int] | None


class GateRefused(CannotPrepare):
    """The prompt gate refuses the expanded prompt; clients read what they would have read at Run."""

    def __init__(self, refusal: NewRefusal) -> None:
        super().__init__(Refused().message)
        self.refusal = refusal


class Preparation(Protocol):
    """Knows which models this worker draws, and how to ask its engine for a picture."""

    @property
    def models(self) -> Collection[str]:
        """The models whose tasks this worker may claim."""
        ...

    def prepare(self, task: Task, generation_id: str) -> Prepared:
        """Return the request and what there is to say about it. Raises CannotPrepare."""
        ...


class CardPreparation:
    """Prepares tasks of the catalogue's cards for one set of weights (None: an engine that needs none)."""

    def __init__(self, catalogue: Catalogue, models: Collection[str], weights: WeightSet | None, gate: Gate) -> None:
        self._catalogue = catalogue
        self._gate = gate
        self._weights = weights
        self._tokenizers = tokenizers_of(weights)
        self.models = models

    def prepare(self, task: Task, generation_id: str) -> Prepared:
        """Return the request: no LoRA tag is left in its prompt, and every LoRA is a file that is there."""
        card, values = self._card(task), cast("dict[str, Value]", task.values)
        drawing = _drawing(task, values, card)
        # In front, so that a weight in the prompt's own tag has the last word.
        selection = read_selection(values)
        prompt = split_lora_tags(selection.tags + drawing.prompt)
        negative = split_lora_tags(drawing.negative_prompt)
        notes = [*selection.notes, *prompt.notes, *(f"negativePrompt: {note}" for note in negative.notes)]
        of_card = (LoraTag(lora.name, lora.weight) for lora in card.loras)
        tags = (*of_card, *prompt.loras)
        uses, unknown = self._resolve(tags)
        notes += [f"LoRA {name[:60]!r} is not installed here and was ignored." for name in unknown]
        self._screen(task, (drawing.prompt, prompt.text), [*(tag.name for tag in tags), *(use.name for use in uses)])
        asked = drawing.width, drawing.height
        side = self._weights.miniature_side if self._weights else None
        drawn = asked if side is None else drawn_size(*asked, side)
        expanded = replace(drawing, prompt=prompt.text, negative_prompt=negative.text)
        request = _request(generation_id, expanded, drawn, uses)
        guided = request.guidance_scale > 1
        report = prompt_report(prompt, negative, guided=guided, used=uses, unknown=unknown, tokenizers=self._tokenizers)
        return Prepared(
            request=request,
            remarks=notes,
            receipt={**receipt_of(request, self._weights, asked, self._plan(request)), "prompt": report},
            values=_told(card, task),
            enlarged_to=asked if asked != drawn else None,
        )

    def _plan(self, request: GenerationRequest) -> StepPlan | None:
        """Plan the steps; None where that can't be known, which keeps nothing from being drawn."""
        try:
            return plan_of(request, schedules_of(self._weights))
        except (UnknownSchedule, KeyError) as error:
            _log.warning("no plan for %s: %s", request.noise_scheduler, error)
            return None

    def _card(self, task: Task) -> Card:
        owner, _, name = task.model.partition("/")
        card = self._catalogue.find(owner, name)
        if card is None:
            raise CannotPrepare(f"This worker has no card for {task.model}. Install the card, or run the task again.")
        return card

    def _screen(self, task: Task, texts: Sequence[str], names: Sequence[str]) -> None:
        """Ask the gate about what will be drawn: the prompt as sent and as expanded, with the names of its LoRAs."""
        decision = self._gate.judge("\n".join(dict.fromkeys(texts)), names)
        if decision.refused:
            raise GateRefused(
                NewRefusal(
                    project_id=task.project_id,
                    task_id=task.id,
                    stage=Stage.WORKER,
                    gate_version=decision.version,
                    rules=decision.rules,
                    prompt_sha256=sha256_of(texts[0]),
                )
            )

    def _resolve(self, tags: Sequence[LoraTag]) -> tuple[tuple[LoraUse, ...], list[str]]:
        """Look the tags up, and return what is not installed too; a prompt's word about a LoRA outweighs the card's."""
        uses: dict[str, LoraUse] = {}
        unknown: list[str] = []
        for tag in tags:
            name = None if self._weights is None else self._weights.lora_name(tag.name)
            if self._weights is None or name is None:
                unknown.append(tag.name)
            else:
                uses[name] = LoraUse(
                    name=name,
                    path=str(self._weights.loras[name]),
                    weight=tag.weight,
                    text_encoder_weight=tag.text_encoder_weight,
                )
        return tuple(uses[name] for name in sorted(uses)), unknown


def _told(card: Card, task: Task) -> JsonObject:
    """Return the values that anybody may read: pictures are public, and an address may be a client's secret."""
    untold = {ADDRESS_FIELD, *(parameter.id for parameter in file_parameters(card))}
    return {name: value for name, value in task.values.items() if name not in untold}


def _drawing(task: Task, values: Mapping[str, Value], card: Card) -> SdxlValues:
    try:
        drawing = sdxl_values(values)
        # The worker may hold one, for another card that shares this one's base.
        return drawing if card.weights.refiner else replace(drawing, use_refiner=False, high_noise_frac=1.0)
    except (KeyError, TypeError, ValueError) as error:
        # A task may be older than the card. Unheard of, it would take one worker after the other down with it.
        raise CannotPrepare(
            f"The task's values don't fit this worker's card for {task.model} ({error!r}). Run the task again."
        ) from error


def _request(
    generation_id: str, drawing: SdxlValues, size: tuple[int, int], loras: tuple[LoraUse, ...]
) -> GenerationRequest:
    width, height = size
    return GenerationRequest(
        generation_id=generation_id,
        prompt=drawing.prompt,
        negative_prompt=drawing.negative_prompt,
        width=width,
        height=height,
        samples=drawing.samples,
        seed=drawing.seed,
        steps=drawing.steps,
        refiner_steps=drawing.refiner_steps,
        guidance_scale=drawing.guidance_scale,
        high_noise_frac=drawing.high_noise_frac,
        use_refiner=drawing.use_refiner,
        noise_scheduler=drawing.noise_scheduler,
        loras=loras,
    )
