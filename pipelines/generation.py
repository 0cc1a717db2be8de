"""One generation in flight: encode, then sample after sample, a step at a time."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch

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
from pipelines.decoding import decode
from pipelines.denoise import Leg, Sample, base_leg, refiner_leg, start_sample
from pipelines.encoding import Conditioning, encode, tokens_lost
from pipelines.errors import GenerationError
from pipelines.loading import Expert
from pipelines.lora import NO_LORA, LoraSet
from pipelines.preview import Outlook
from pipelines.studio import Studio

OnLatents: TypeAlias = Callable[[str, int, torch.Tensor], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prepared:
    """What encoding has made, the same for all samples."""

    loras: LoraSet
    base: Conditioning
    refiner: Conditioning | None
    steps_per_sample: int
    first_phase: Phase


class Generation:
    """A request and how far it has come. Each `step` is one encode, one UNet forward or one decode."""

    def __init__(self, request: GenerationRequest, studio: Studio, on_latents: OnLatents | None) -> None:
        self.request = request
        self.withdrawn = False
        self._studio = studio
        self._on_latents = on_latents
        self._prepared: _Prepared | None = None
        self._sample: Sample | None = None
        self._samples_done = 0
        self._steps_done = 0

    @property
    def finished(self) -> bool:
        """Whether all samples are drawn."""
        return self._samples_done == self.request.samples

    def withdrawal(self) -> Withdrawn:
        """The answer to a withdrawal now. Before the encode is done the number of steps isn't known and reads 0."""
        if self._prepared is None:
            return Withdrawn(self.request.generation_id, Phase.ENCODE, 0, 0)
        phase = self._sample.phase if self._sample else self._prepared.first_phase
        return Withdrawn(self.request.generation_id, phase, self._steps_done, self._total_steps(self._prepared))

    def outlook(self, sample: int) -> Outlook | None:
        """What that sample's last step knew of its end; None before its first step and once it is decoded."""
        return self._sample.outlook if self._sample is not None and sample == self._samples_done else None

    def step(self) -> Sequence[EngineEvent]:
        """Do the next piece of work.

        Raises:
            GenerationError: the request can't be drawn.
        """
        if self._prepared is None:
            return self._prepare()
        sample = self._current_sample(self._prepared)
        if sample.phase is Phase.DECODE:
            return self._decode(sample)
        return [self._denoise(self._prepared, sample)]

    # ── encode ───────────────────────────────────────────────────────────────────────────────────────────────────────
    def _prepare(self) -> Sequence[EngineEvent]:
        request, studio = self.request, self._studio
        check_request(request, studio.base)
        legs = [leg for leg in self._legs() if len(leg.timesteps)]
        loras = studio.read_loras(request.loras)
        refiner = self._refiner()
        # the refiner shares a text encoder with the base and never sees a LoRA
        studio.dress_text_encoders(NO_LORA)
        refiner_conditioning = self._encode(refiner) if refiner else None
        studio.dress_text_encoders(loras)
        self._prepared = _Prepared(
            loras=loras,
            base=self._encode(studio.base),
            refiner=refiner_conditioning,
            steps_per_sample=sum(len(leg.timesteps) for leg in legs),
            first_phase=legs[0].phase if legs else Phase.DECODE,
        )
        started = Started(request.generation_id, self._total_steps(self._prepared))
        return [*(LogLine(request.generation_id, line) for line in self._remarks()), started]

    def _encode(self, expert: Expert) -> Conditioning:
        request = self.request
        return encode(
            expert,
            prompt=request.prompt,
            negative_prompt=request.negative_prompt,
            width=request.width,
            height=request.height,
            guided=request.guidance_scale > 1,
        )

    def _remarks(self) -> list[str]:
        """Lines for a person about what was asked for and isn't done."""
        remarks: list[str] = []
        if self._wants_refiner() and self._studio.refiner is None:
            remarks.append("No refiner is loaded; the base draws all steps.")
        for name, text in (("prompt", self.request.prompt), ("negative prompt", self.request.negative_prompt)):
            if lost := tokens_lost(self._studio.base, text):
                remarks.append(f"The {name} is too long; its last {lost} tokens were left out.")
        return remarks

    # ── steps ────────────────────────────────────────────────────────────────────────────────────────────────────────
    def _wants_refiner(self) -> bool:
        return self.request.use_refiner and self.request.high_noise_frac < 1

    def _refiner(self) -> Expert | None:
        return self._studio.refiner if self._wants_refiner() else None

    def _legs(self) -> tuple[Leg, ...]:
        """Plan one sample with schedulers of its own."""
        request, refiner, device = self.request, self._refiner(), self._studio.device
        name = request.noise_scheduler
        fraction = float(request.high_noise_frac) if refiner else None
        base = self._studio.base
        legs = (base_leg(name, base.scheduler_config, steps=request.steps, denoising_end=fraction, device=device),)
        if refiner is None or fraction is None:
            return legs
        config, steps = refiner.scheduler_config, request.refiner_steps
        return (*legs, refiner_leg(name, config, steps=steps, denoising_start=fraction, device=device))

    def _current_sample(self, prepared: _Prepared) -> Sample:
        if self._sample is None:
            request, base = self.request, self._studio.base
            factor = base.vae_scale_factor
            self._sample = start_sample(
                self._legs(),
                seed=(request.seed + self._samples_done) % 2**63,
                shape=(1, base.unet.config["in_channels"], request.height // factor, request.width // factor),
                device=self._studio.device,
                dtype=prepared.base.prompt_embeds.dtype,
            )
        return self._sample

    def _denoise(self, prepared: _Prepared, sample: Sample) -> Stepped:
        phase = sample.phase
        if phase is Phase.REFINER:
            assert self._studio.refiner is not None
            assert prepared.refiner is not None
            sample.advance(self._studio.refiner.unet, prepared.refiner, self.request.guidance_scale)
        else:
            self._studio.dress_unet(prepared.loras)
            sample.advance(self._studio.base.unet, prepared.base, self.request.guidance_scale)
        self._steps_done += 1
        total = self._total_steps(prepared)
        return Stepped(self.request.generation_id, phase, self._samples_done, self._steps_done, total)

    def _total_steps(self, prepared: _Prepared) -> int:
        return prepared.steps_per_sample * self.request.samples

    # ── decode ───────────────────────────────────────────────────────────────────────────────────────────────────────
    def _decode(self, sample: Sample) -> Sequence[EngineEvent]:
        request, index = self.request, self._samples_done
        if self._on_latents is not None:
            self._on_latents(request.generation_id, index, sample.latents)
        expert = self._refiner() or self._studio.base
        rgb = decode(expert.vae, sample.latents)
        self._sample = None
        self._samples_done += 1
        done = SampleDone(request.generation_id, index, request.width, request.height, rgb)
        return [done, Finished(request.generation_id)] if self.finished else [done]


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
