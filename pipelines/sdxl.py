"""SdxlEngine: SDXL base and refiner with LoRA, in one process, on one device."""

import gc
import logging
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

import diffusers
import torch
import transformers

from pipelines.contract import EngineDefunct, EngineEvent, EngineFacts, Failed, GenerationRequest, Stepped
from pipelines.errors import GenerationError, is_out_of_memory, reason_for
from pipelines.facts import engine_facts
from pipelines.generation import Generation, OnLatents
from pipelines.loading import load_weights
from pipelines.preview import Outlook, Previewer
from pipelines.studio import Studio


class SdxlEngine:
    """An `Engine` over diffusers' SDXL components.

    Generations are drawn in the order they were admitted, each to its end. A picture depends on its request, the
    weights, the device, the library versions and `threads`, and on nothing that was drawn before or beside it.

    Args:
        base: folder of the base in diffusers' layout, safetensors only.
        refiner: folder of the refiner, or None.
        device: "cpu", "cuda", "cuda:0", or "auto": a CUDA device if there is one.
        threads: CPU threads for torch, or None for its own choice.
        on_latents: called with (generation id, sample, final latents) before each decode.
    """

    def __init__(
        self,
        *,
        base: Path,
        refiner: Path | None = None,
        device: str = "cpu",
        threads: int | None = None,
        on_latents: OnLatents | None = None,
    ) -> None:
        self._base = base
        self._refiner = refiner
        self._device = _device_of(device)
        self._threads = threads
        self._on_latents = on_latents
        self._studio: Studio | None = None
        self._previewer: Previewer | None = None
        self._in_flight: deque[Generation] = deque()

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
            weights = load_weights(self._base, self._refiner, self._device, report)
        except (OSError, ValueError, KeyError, RuntimeError, AssertionError) as error:
            raise EngineDefunct(f"The weights can't be loaded: {error}") from error
        self._studio = Studio(weights, self._device)
        self._previewer = Previewer(weights.base.vae)
        return _name_of(self._device)

    def admit(self, request: GenerationRequest) -> None:
        """Put a generation behind those in flight."""
        assert self._studio is not None, "load() comes first"
        self._in_flight.append(Generation(request, self._studio, self._on_latents))

    def withdraw(self, generation_id: str) -> None:
        """Mark a generation; the next `step` drops it and answers."""
        for generation in self._in_flight:
            if generation.request.generation_id == generation_id:
                generation.withdrawn = True

    def watch(self, generation_id: str, interval: float | None) -> None:
        """Show a generation in flight while it is drawn, or no longer."""
        assert self._previewer is not None, "load() comes first"
        if any(generation.request.generation_id == generation_id for generation in self._in_flight):
            self._previewer.watch(generation_id, interval)

    @property
    def busy(self) -> bool:
        """Whether a generation is in flight."""
        return bool(self._in_flight)

    @property
    def facts(self) -> EngineFacts:
        """What pictures depend on, beside request and weights."""
        assert self._studio is not None, "load() comes first"
        return engine_facts(self._studio.base)

    def step(self) -> Sequence[EngineEvent]:
        """Answer withdrawals; if there are none, do one piece of work for the generation whose turn it is.

        Previews that are due then follow.

        Raises:
            EngineDefunct: the device is unusable.
        """
        events = self._turn()
        return [*events, *self._previewer.after(events, self._outlook)] if self._previewer else events

    def _outlook(self, stepped: Stepped) -> Outlook | None:
        drawn = (one for one in self._in_flight if one.request.generation_id == stepped.generation_id)
        return next((one.outlook(stepped.sample) for one in drawn), None)

    def _turn(self) -> Sequence[EngineEvent]:
        withdrawn = [generation for generation in self._in_flight if generation.withdrawn]
        if withdrawn:
            self._in_flight = deque(generation for generation in self._in_flight if not generation.withdrawn)
            return [generation.withdrawal() for generation in withdrawn]
        if not self._in_flight:
            return []
        return self._work_on(self._in_flight[0])

    def _work_on(self, generation: Generation) -> Sequence[EngineEvent]:
        try:
            with torch.no_grad():
                events = generation.step()
        except GenerationError as error:
            reason, out_of_memory = str(error), False
        except Exception as error:  # whatever breaks one generation, the others go on
            logging.getLogger(__name__).warning("generation %s failed", generation.request.generation_id, exc_info=True)
            reason, out_of_memory = reason_for(error), is_out_of_memory(error)
        else:
            if generation.finished:
                self._in_flight.remove(generation)
            return events
        # out here the traceback, and with it the frames that hold tensors, is gone
        generation_id = generation.request.generation_id
        self._in_flight.remove(generation)
        del generation
        if out_of_memory:
            self._free_memory()
        return [Failed(generation_id, reason)]

    def _free_memory(self) -> None:
        gc.collect()
        if self._device.type == "cuda":
            torch.cuda.empty_cache()


def _device_of(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(name)


def _name_of(device: torch.device) -> str:
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)} ({device})"
    return f"{device.type}, {torch.get_num_threads()} threads"
