"""SdxlEngine: SDXL base and refiner with LoRA, many generations at once, in one process, on one device."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import diffusers
import torch
import transformers

from pipelines.capacity import memory_of, room_for
from pipelines.contract import (
    EngineDefunct,
    EngineEvent,
    EngineFacts,
    Failed,
    GenerationRequest,
    Phase,
    Stepped,
    Vitals,
)
from pipelines.device import device_of, name_of
from pipelines.errors import GenerationError, is_out_of_memory, reason_for
from pipelines.expert_files import ExpertFiles, ExpertSource
from pipelines.facts import engine_facts
from pipelines.fairness import FairShare, Offer, Policy
from pipelines.generation import Generation, OnLatents
from pipelines.microbatch import predict_noise
from pipelines.opening import open_studio
from pipelines.options import EngineOptions
from pipelines.preview import Outlook, Previewer
from pipelines.studio import Studio
from pipelines.vitals import Forwards, vitals_of

_log = logging.getLogger(__name__)

PAIR: Final = 2
"""Rows of one sample with guidance."""


class SdxlEngine:
    """An `Engine` over diffusers' SDXL components.

    Generations advance a forward at a time, in the order of the policy. A picture depends on its request, the weights,
    the device, the library versions, `threads` and `batch_rows`, and on nothing that was drawn before or beside it.

    Args:
        base: the base: a folder in diffusers' layout, or where else its parts lie; safetensors only.
        refiner: the refiner alike, or None.
        device: "cpu", "cuda", "cuda:0", or "auto": a CUDA device if there is one.
        threads: CPU threads for torch, or None for its own choice.
        batch_rows: rows of every forward with guidance, a multiple of two; without guidance half of it.
        in_flight: how many generations may be in flight, or None for as many as memory and sense allow.
        policy: who is drawn next.
        on_latents: called with (generation id, sample, final latents) before each decode.
        options: how the device is used.
    """

    def __init__(  # noqa: PLR0913 all by keyword, all but one with a default
        self,
        *,
        base: Path | ExpertSource,
        refiner: Path | ExpertSource | None = None,
        device: str = "cpu",
        threads: int | None = None,
        batch_rows: int = PAIR,
        in_flight: int | None = None,
        policy: Policy | None = None,
        on_latents: OnLatents | None = None,
        options: EngineOptions | None = None,
    ) -> None:
        assert batch_rows >= PAIR
        assert batch_rows % PAIR == 0
        self._base = ExpertFiles.of(base)
        self._refiner = None if refiner is None else ExpertFiles.of(refiner)
        self._device = device_of(device)
        self._options = options or EngineOptions()
        self._threads = threads
        self._samples_per_forward = batch_rows // PAIR
        self._capacity = in_flight
        self._policy: Policy = policy or FairShare()
        self._on_latents = on_latents
        self._studio: Studio | None = None
        self._previewer: Previewer | None = None
        self._in_flight: dict[int, Generation] = {}
        self._admitted = 0
        self._forwards = Forwards()

    def load(self, report: Callable[[str, float], None]) -> str:
        """Load the weights and return the device's name.

        Raises:
            EngineDefunct: the folders hold no SDXL, or the device can't.
        """
        diffusers.utils.logging.disable_progress_bar()
        transformers.utils.logging.disable_progress_bar()
        if self._threads is not None:
            torch.set_num_threads(self._threads)
        try:
            studio = open_studio(
                self._base, self._refiner, self._device, self._options, report, self._samples_per_forward
            )
        except (OSError, ValueError, KeyError, RuntimeError, AssertionError) as error:
            raise EngineDefunct(f"The weights can't be loaded: {error}") from error
        self._studio = studio
        self._previewer = Previewer(
            studio.base.vae, lambda latents: studio.decode(studio.base, latents.to(self._device), lambda _remark: None)
        )
        self._capacity = self._capacity or room_for(studio.weights, memory_of(self._device), self._samples_per_forward)
        return name_of(self._device)

    @property
    def capacity(self) -> int:
        """How many generations should be in flight at most."""
        return self._capacity or 1

    def admit(self, request: GenerationRequest) -> None:
        """Put a generation in flight."""
        assert self._studio is not None, "load() comes first"
        self._admitted += 1
        self._in_flight[self._admitted] = Generation(self._admitted, request, self._studio, self._on_latents)

    def withdraw(self, generation_id: str) -> None:
        """Mark a generation; the next `step` drops it and answers."""
        for generation in self._in_flight.values():
            if generation.request.generation_id == generation_id:
                generation.withdrawn = True

    def watch(self, generation_id: str, interval: float | None) -> None:
        """Show a generation in flight while it is drawn, or no longer."""
        assert self._previewer is not None, "load() comes first"
        if any(generation.request.generation_id == generation_id for generation in self._in_flight.values()):
            self._previewer.watch(generation_id, interval)

    @property
    def facts(self) -> EngineFacts:
        """What pictures depend on, beside request and weights."""
        assert self._studio is not None, "load() comes first"
        return engine_facts(self._studio.base, self._samples_per_forward * PAIR)

    @property
    def vitals(self) -> Vitals:
        """What it has done so far."""
        assert self._studio is not None, "load() comes first"
        return vitals_of(self._studio, self._forwards)

    @property
    def busy(self) -> bool:
        """Whether a generation is in flight."""
        return bool(self._in_flight)

    def step(self) -> Sequence[EngineEvent]:
        """Answer withdrawals; if there are none, run one decode, encode or forward, what is due first.

        A finished sample is decoded at once, and prompts are encoded before the next forward: then all that is left to
        do is known. On CUDA both are queued behind the forward that is running; the host doesn't wait for it. Previews
        that are due follow.

        Raises:
            EngineDefunct: the device is unusable.
        """
        events = self._turn()
        return [*events, *self._previewer.after(events, self._outlook)] if self._previewer else events

    def _outlook(self, stepped: Stepped) -> Outlook | None:
        drawn = (it for it in self._in_flight.values() if it.request.generation_id == stepped.generation_id)
        return next((generation.outlook(stepped.sample) for generation in drawn), None)

    def _turn(self) -> Sequence[EngineEvent]:
        withdrawn = [generation for generation in self._in_flight.values() if generation.withdrawn]
        if withdrawn:
            for generation in withdrawn:
                del self._in_flight[generation.number]
            return [generation.withdrawal() for generation in withdrawn]
        for generation in self._in_flight.values():
            if (sample := generation.drawn) is not None:
                return self._alone(generation, lambda it=generation, index=sample: it.decode(index))
        for generation in self._in_flight.values():
            if not generation.prepared:
                return self._alone(generation, generation.prepare)
        return self._forward()

    # ── a forward ────────────────────────────────────────────────────────────────────────────────────────────────────
    def _forward(self) -> Sequence[EngineEvent]:
        offers = [offer for generation in self._in_flight.values() for offer in generation.offers()]
        if not offers:
            return []
        chosen = self._policy.choose(offers)
        try:
            with torch.no_grad():
                noises = self._predict(chosen)
        except Exception as error:  # noqa: BLE001 whatever breaks one generation, the others go on
            failure = _Failure(error)
        else:
            return [event for offer, noise in zip(chosen, noises, strict=True) for event in self._advance(offer, noise)]
        # out here the traceback, and with it the frames that hold tensors, is gone
        return self._failed_together(chosen, failure)

    def _predict(self, chosen: Sequence[Offer]) -> list[torch.Tensor]:
        assert self._studio is not None
        generations = [self._in_flight[offer.generation] for offer in chosen]
        places = [it.place(offer.sample) for it, offer in zip(generations, chosen, strict=True)]
        if generations[0].phase_of(chosen[0].sample) is Phase.REFINER:
            assert self._studio.refiner is not None
            unet = self._studio.refiner.unet
        else:
            self._studio.dress_unet(generations[0].loras)
            unet = self._studio.base.unet
        self._forwards.ran(len(places), chosen[0].places)
        return predict_noise(unet, places, chosen[0].places, self._studio.memory)

    def _advance(self, offer: Offer, noise: torch.Tensor) -> Sequence[EngineEvent]:
        if (generation := self._in_flight.get(offer.generation)) is None:
            return ()  # another of its samples has just failed
        return self._alone(generation, lambda: [generation.advance(offer.sample, noise)])

    def _failed_together(self, chosen: Sequence[Offer], failure: "_Failure") -> Sequence[EngineEvent]:
        """Fail the one generation it was; of several nobody knows which it was, and each tries again alone."""
        generations = [self._in_flight[number] for number in dict.fromkeys(offer.generation for offer in chosen)]
        if len(generations) == 1:
            return [self._fail(generations[0], failure)]
        self._clean_up(failure)
        for generation in generations:
            generation.alone = True
        return ()

    # ── failures ─────────────────────────────────────────────────────────────────────────────────────────────────────
    def _alone(self, generation: Generation, work: Callable[[], Sequence[EngineEvent]]) -> Sequence[EngineEvent]:
        """Do a piece of work for one generation, which alone fails with it."""
        try:
            with torch.no_grad():
                events = work()
        except Exception as error:  # noqa: BLE001 as in _forward
            failure = _Failure(error)
        else:
            if generation.finished:
                del self._in_flight[generation.number]
            return events
        return [self._fail(generation, failure)]

    def _fail(self, generation: Generation, failure: "_Failure") -> Failed:
        del self._in_flight[generation.number]
        self._clean_up(failure)
        return Failed(generation.request.generation_id, failure.reason)

    def _clean_up(self, failure: "_Failure") -> None:
        if failure.out_of_memory and self._studio is not None:
            self._studio.memory.release()


class _Failure:
    """What is kept of an error: no traceback. Raises EngineDefunct for one that poisons the device."""

    def __init__(self, error: Exception) -> None:
        foreseen = isinstance(error, GenerationError)
        if not foreseen:
            _log.warning("a generation failed", exc_info=error)
        self.out_of_memory = is_out_of_memory(error)
        self.reason = str(error) if foreseen else reason_for(error)
