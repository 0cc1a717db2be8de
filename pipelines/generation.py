"""One generation in flight: encode, then its samples a step at a time, each decoded as soon as it is drawn."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch

from models.chunks import MAX_CHUNKS
from pipelines.contract import (
    EngineEvent,
    Finished,
    GenerationRequest,
    LogLine,
    Phase,
    SampleDone,
    Started,
    Stepped,
    Withdrawn,
)
from pipelines.denoise import Leg, Sample, base_leg, refiner_leg, start_sample
from pipelines.encoding import Conditioning, PromptEncoder
from pipelines.errors import GenerationError
from pipelines.fairness import Offer
from pipelines.loading import Expert
from pipelines.lora import NO_LORA, LoraSet
from pipelines.microbatch import Place
from pipelines.preview import Outlook
from pipelines.studio import Studio
from pipelines.width import Kind

OnLatents: TypeAlias = Callable[[str, int, torch.Tensor], None]


@dataclass(frozen=True, slots=True)
class _Part:
    """What is the same for all samples in one expert's part: its conditioning, and how many samples a forward holds."""

    conditioning: Conditioning
    kind: Kind
    places: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prepared:
    """What encoding has made, the same for all samples."""

    loras: LoraSet
    parts: dict[Phase, _Part]
    dtype: torch.dtype
    legs: tuple[Leg, ...]  # as planned, none of their schedulers used

    @property
    def steps_per_sample(self) -> int:
        return sum(len(leg.timesteps) for leg in self.legs)

    @property
    def first_phase(self) -> Phase:
        return next((leg.phase for leg in self.legs if len(leg.timesteps)), Phase.DECODE)


class Generation:
    """A request and how far it has come. The engine asks what it offers, and tells it what was run.

    Args:
        number: its place in the order of admission.
    """

    def __init__(self, number: int, request: GenerationRequest, studio: Studio, on_latents: OnLatents | None) -> None:
        self.number = number
        self.request = request
        self.withdrawn = False
        self.alone = False
        """Whether it shares no forward any more, since one that it shared has failed."""
        self._studio = studio
        self._on_latents = on_latents
        self._prepared: _Prepared | None = None
        self._samples: dict[int, Sample] = {}  # begun and not yet decoded
        self._begun = 0
        self._steps_done = 0

    @property
    def prepared(self) -> bool:
        """Whether its prompts are encoded."""
        return self._prepared is not None

    @property
    def finished(self) -> bool:
        """Whether all samples are drawn."""
        return self._begun == self.request.samples and not self._samples

    def withdrawal(self) -> Withdrawn:
        """The answer to a withdrawal now. Before the encode is done the number of steps isn't known and reads 0."""
        if self._prepared is None:
            return Withdrawn(self.request.generation_id, Phase.ENCODE, 0, 0)
        phase = next((sample.phase for sample in self._samples.values()), self._prepared.first_phase)
        return Withdrawn(self.request.generation_id, phase, self._steps_done, self._total_steps(self._prepared))

    # ── encode ───────────────────────────────────────────────────────────────────────────────────────────────────────
    def prepare(self) -> Sequence[EngineEvent]:
        """Read the LoRAs, encode the prompts, begin the first samples.

        Raises:
            GenerationError: the request can't be drawn.
        """
        request, studio = self.request, self._studio
        check_request(request, studio.base)
        legs = self._legs()
        loras = studio.read_loras(request.loras)
        # the refiner shares a text encoder with the base and never sees a LoRA
        parts = {Phase.BASE: self._part(studio.base, studio.base_prompts, loras)}
        if studio.refiner and studio.refiner_prompts and self._wants_refiner():
            parts[Phase.REFINER] = self._part(studio.refiner, studio.refiner_prompts, NO_LORA)
        self._prepared = _Prepared(
            loras=loras,
            parts=parts,
            dtype=parts[Phase.BASE].conditioning.prompt_embeds.dtype,
            legs=legs,
        )
        self._begin_samples(self._prepared)
        started = Started(request.generation_id, self._total_steps(self._prepared))
        lines = [*loras.remarks, *self._remarks()]
        return [*(LogLine(request.generation_id, line) for line in lines), started]

    def _part(self, expert: Expert, prompts: PromptEncoder, loras: LoraSet) -> _Part:
        request = self.request
        conditioning = prompts.encode(
            request.prompt,
            request.negative_prompt,
            loras=loras,
            width=request.width,
            height=request.height,
            guided=request.guidance_scale > 1,
        )
        kind = Kind.of(self._latent_size(), conditioning)
        return _Part(conditioning, kind, self._studio.width_of(expert).samples(kind))

    def _latent_size(self) -> tuple[int, int]:
        factor = self._studio.base.vae_scale_factor
        return self.request.height // factor, self.request.width // factor

    def _remarks(self) -> list[str]:
        """Lines for a person about what was asked for and isn't done."""
        remarks: list[str] = []
        if self._wants_refiner() and self._studio.refiner is None:
            remarks.append("No refiner is loaded; the base draws all steps.")
        for name, text in (("prompt", self.request.prompt), ("negative prompt", self.request.negative_prompt)):
            if lost := self._studio.base_prompts.left_out(text):
                remarks.append(f"The {name} is longer than {MAX_CHUNKS} chunks; its last {lost} tokens were left out.")
        return remarks

    # ── steps ────────────────────────────────────────────────────────────────────────────────────────────────────────
    def _wants_refiner(self) -> bool:
        return self.request.use_refiner and self.request.high_noise_frac < 1

    def _refiner(self) -> Expert | None:
        return self._studio.refiner if self._wants_refiner() else None

    def _legs(self) -> tuple[Leg, ...]:
        """Plan a sample."""
        request, refiner, device = self.request, self._refiner(), self._studio.device
        name = request.noise_scheduler
        fraction = float(request.high_noise_frac) if refiner else None
        base = self._studio.base
        legs = (base_leg(name, base.scheduler_config, steps=request.steps, denoising_end=fraction, device=device),)
        if refiner is None or fraction is None:
            return legs
        config, steps = refiner.scheduler_config, request.refiner_steps
        return (*legs, refiner_leg(name, config, steps=steps, denoising_start=fraction, device=device))

    def _begin_samples(self, prepared: _Prepared) -> None:
        """Begin the next samples, as many as a forward holds: the first pictures are to be done first."""
        most = max(part.places for part in prepared.parts.values())
        while len(self._samples) < most and self._begun < self.request.samples:
            self._samples[self._begun] = start_sample(
                tuple(leg.copy() for leg in prepared.legs),
                seed=(self.request.seed + self._begun) % 2**63,
                shape=(1, self._studio.base.unet.config["in_channels"], *self._latent_size()),
                device=self._studio.device,
                dtype=prepared.dtype,
            )
            self._begun += 1

    def offers(self) -> list[Offer]:
        """Return what could run next; nothing before the encode, nor of samples that wait for their decode."""
        if self._prepared is None:
            return []
        steps_left = self._total_steps(self._prepared) - self._steps_done
        waiting = [index for index, sample in self._samples.items() if sample.phase is not Phase.DECODE]
        return [self._offer(self._prepared, index, steps_left) for index in waiting]

    def _offer(self, prepared: _Prepared, index: int, steps_left: int) -> Offer:
        phase = self._samples[index].phase
        part = prepared.parts[phase]
        loras = prepared.loras.key if phase is Phase.BASE else None
        return Offer(
            generation=self.number,
            share=self.request.share,
            sample=index,
            alike=(phase, part.kind, loras, self.number if self.alone else None),
            loras=loras,
            places=part.places,
            work=part.kind.work,
            remaining=steps_left * part.kind.work,
        )

    def place(self, index: int) -> Place:
        """Return what a forward needs of sample `index`."""
        assert self._prepared is not None
        sample = self._samples[index]
        return Place(sample, self._prepared.parts[sample.phase].conditioning)

    def phase_of(self, index: int) -> Phase:
        """Return what comes next for sample `index`."""
        return self._samples[index].phase

    @property
    def loras(self) -> LoraSet:
        """What the base wears while it draws this."""
        assert self._prepared is not None
        return self._prepared.loras

    def advance(self, index: int, noise: torch.Tensor) -> Stepped:
        """Take a step of sample `index` along the noise that was predicted for it."""
        assert self._prepared is not None
        sample = self._samples[index]
        phase = sample.phase
        sample.advance(noise, self.request.guidance_scale)
        self._steps_done += 1
        total = self._total_steps(self._prepared)
        return Stepped(self.request.generation_id, phase, index, self._steps_done, total)

    def outlook(self, index: int) -> Outlook | None:
        """Return what the last step of sample `index` knew of its end; None before its first and after its decode."""
        sample = self._samples.get(index)
        return sample.outlook if sample is not None else None

    def _total_steps(self, prepared: _Prepared) -> int:
        return prepared.steps_per_sample * self.request.samples

    # ── decode ───────────────────────────────────────────────────────────────────────────────────────────────────────
    @property
    def drawn(self) -> int | None:
        """The first sample that waits for its decode."""
        return next((index for index, sample in self._samples.items() if sample.phase is Phase.DECODE), None)

    def decode(self, index: int) -> Sequence[EngineEvent]:
        """Decode sample `index` and begin another.

        Raises:
            GenerationError: it can't be shown.
        """
        assert self._prepared is not None
        request, latents = self.request, self._samples[index].latents
        if self._on_latents is not None:
            self._on_latents(request.generation_id, index, latents)
        expert = self._refiner() or self._studio.base
        lines: list[str] = []
        rgb = self._studio.decode(expert, latents, lines.append)
        del self._samples[index]
        self._begin_samples(self._prepared)
        done = SampleDone(request.generation_id, index, request.width, request.height, rgb)
        remarks = [LogLine(request.generation_id, line) for line in lines]
        return [*remarks, done, Finished(request.generation_id)] if self.finished else [*remarks, done]


def check_request(request: GenerationRequest, base: Expert) -> None:
    """Check what would otherwise fail somewhere inside diffusers.

    Raises:
        GenerationError: with the first thing that is wrong.
    """
    factor, most = base.vae_scale_factor, base.scheduler_config["num_train_timesteps"]
    sides = (request.width, request.height)
    if any(side <= 0 or side % factor for side in sides):
        raise GenerationError(f"Width and height must be multiples of {factor}, not {sides[0]} × {sides[1]}.")
    if request.samples < 1:
        raise GenerationError(f"The number of samples must be at least 1, not {request.samples}.")
    for name, steps in (("steps", request.steps), ("refiner steps", request.refiner_steps)):
        if not 1 <= steps <= most and (name == "steps" or request.use_refiner):
            raise GenerationError(f"The number of {name} must lie between 1 and {most}, not {steps}.")
    if not math.isfinite(request.guidance_scale):
        raise GenerationError(f"The guidance scale must be a finite number, not {request.guidance_scale}.")
    if request.use_refiner and not request.high_noise_frac > 0:
        raise GenerationError(f"The base must run a part of the steps above 0, not {request.high_noise_frac}.")
