"""The headline job, drawn by diffusers' own pipelines and by easel's engine, on the same random weights."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from diffusers import EulerDiscreteScheduler, StableDiffusionXLImg2ImgPipeline, StableDiffusionXLPipeline

from bench.gpu_device import synchronize
from bench.gpu_weights import Configs, RandomSource
from pipelines.compiling import Compilation
from pipelines.contract import Failed, GenerationRequest, Phase, SampleDone, Stepped
from pipelines.loading import Manner, Weights, load_weights
from pipelines.options import EngineOptions
from pipelines.sdxl import SdxlEngine

PROMPT = "a house on hills at night"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is drawn; the refiner runs the last fifth."""

    samples: int = 4
    side: int = 1024
    steps: int = 60
    refiner_steps: int = 20
    fraction: float = 0.8
    guidance_scale: float = 4.0
    refined: bool = True

    def request(self, generation_id: str) -> GenerationRequest:
        """Ask easel for it."""
        return GenerationRequest(
            generation_id=generation_id,
            prompt=PROMPT,
            negative_prompt="blurry",
            width=self.side,
            height=self.side,
            samples=self.samples,
            seed=1,
            steps=self.steps,
            refiner_steps=self.refiner_steps,
            guidance_scale=self.guidance_scale,
            high_noise_frac=self.fraction,
            use_refiner=self.refined,
            noise_scheduler="EulerDiscreteScheduler",
        )


class Stock:
    """diffusers' pipelines, eager, as their documentation chains them; all samples in one batch."""

    def __init__(self, configs: Configs, device: torch.device, precision: str) -> None:
        sources = [RandomSource(name, configs, device) for name in ("base", "refiner")]
        manner = Manner(precision=precision, memory="resident")
        self._weights: Weights = load_weights(sources[0], sources[1], device, lambda _what, _done: None, manner)
        base, refiner = self._weights.base, self._weights.refiner
        assert refiner is not None
        scheduler = EulerDiscreteScheduler.from_config(dict(configs["scheduler"]))
        one, two = base.text_stages
        self._base = StableDiffusionXLPipeline(
            base.vae, one.text_encoder, two.text_encoder, one.tokenizer, two.tokenizer, base.unet, scheduler,
            add_watermarker=False,
        )  # fmt: skip
        self._refiner = StableDiffusionXLImg2ImgPipeline(
            base.vae, None, two.text_encoder, None, two.tokenizer, refiner.unet, scheduler,
            requires_aesthetics_score=True, add_watermarker=False,
        )  # fmt: skip
        for pipeline in (self._base, self._refiner):
            pipeline.set_progress_bar_config(disable=True)
        self._device = device

    def draw(self, job: Job) -> float:
        """Draw the job; return the seconds it took."""
        synchronize(self._device)
        began = time.perf_counter()
        common = {
            "negative_prompt": "blurry",
            "guidance_scale": job.guidance_scale,
            "num_images_per_prompt": job.samples,
        }
        generators = [torch.Generator().manual_seed(1 + index) for index in range(job.samples)]
        latents = self._base(
            PROMPT, height=job.side, width=job.side, num_inference_steps=job.steps, denoising_end=job.fraction,
            output_type="latent", generator=generators, **common,
        ).images  # fmt: skip
        self._refiner(
            PROMPT, image=latents, num_inference_steps=job.refiner_steps, denoising_start=job.fraction,
            generator=generators, output_type="np", **common,
        )  # fmt: skip
        synchronize(self._device)
        return time.perf_counter() - began


class Ours:
    """easel's engine."""

    def __init__(self, configs: Configs, device: torch.device, options: EngineOptions) -> None:
        self.latents: list[torch.Tensor] = []
        self._device = device
        self._engine = SdxlEngine(
            base=RandomSource("base", configs, device),
            refiner=RandomSource("refiner", configs, device),
            device=str(device),
            on_latents=lambda _id, _sample, latents: self.latents.append(latents.clone()),
            options=options,
        )
        began = time.perf_counter()
        self._engine.load(lambda _what, _done: None)
        self.load_seconds = time.perf_counter() - began

    def draw(self, job: Job) -> float:
        """Draw the job; return the seconds it took."""
        return self.draw_phases(job, phased=False)[0]

    def draw_phases(self, job: Job, *, phased: bool = True) -> tuple[float, dict[str, float], Counter[str]]:
        """Draw the job; return its seconds, seconds by phase (waiting for the device after each step), and steps run.

        Raises:
            RuntimeError: the engine failed.
        """
        self.latents.clear()
        self._engine.admit(job.request("bench"))
        taken: dict[str, float] = dict.fromkeys((Phase.ENCODE, Phase.BASE, Phase.REFINER, Phase.DECODE), 0.0)
        steps: Counter[str] = Counter()
        synchronize(self._device)
        began = last = time.perf_counter()
        while self._engine.busy:
            events = self._engine.step()
            if failed := next((event.reason for event in events if isinstance(event, Failed)), None):
                raise RuntimeError(failed)
            ran = [event.phase.value for event in events if isinstance(event, Stepped)]
            steps.update(ran)
            if phased:
                synchronize(self._device)
                decoded = any(isinstance(event, SampleDone) for event in events)
                taken[ran[0] if ran else Phase.DECODE if decoded else Phase.ENCODE] += time.perf_counter() - last
                last = time.perf_counter()
        synchronize(self._device)
        return time.perf_counter() - began, taken, steps


def options_for(precision: str, compilation: Compilation, sides: Sequence[int]) -> EngineOptions:
    """Return how the engine is opened."""
    return EngineOptions(
        precision=precision,
        memory="resident",
        compilation=compilation,
        compiled_sizes=tuple((side, side) for side in sides),
    )
