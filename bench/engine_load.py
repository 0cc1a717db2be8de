"""Mixed load for the engine: long ones at the start, a short one every so many steps. And diffusers beside it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import torch
from diffusers import EulerDiscreteScheduler, StableDiffusionXLImg2ImgPipeline, StableDiffusionXLPipeline

from pipelines.contract import EngineEvent, Finished, GenerationRequest, SampleDone
from pipelines.fairness import Offer, Policy
from pipelines.sdxl import SdxlEngine

MINIATURE: Final = Path(__file__).parents[1] / "models" / "miniature"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much is drawn: `long` and `short` are (samples, steps); a short one comes every `every` engine steps."""

    long: tuple[int, int] = (4, 60)
    short: tuple[int, int] = (1, 8)
    longs: int = 2
    shorts: int = 12
    every: int = 20
    repeats: int = 3
    overhead_repeats: int = 9


QUICK: Final = Scale(long=(2, 6), short=(1, 2), longs=2, shorts=3, every=4, repeats=1, overhead_repeats=1)


class FirstComeFirstServed:
    """The policy to compare with: whoever was admitted first is drawn to the end."""

    def choose(self, offers: Sequence[Offer]) -> Sequence[Offer]:
        """See `Policy.choose`."""
        ordered = sorted(offers, key=lambda offer: (offer.generation, offer.sample))
        return [offer for offer in ordered if offer.alike == ordered[0].alike][: ordered[0].places]


@dataclass(slots=True)
class Outcome:
    """Seconds from admission to the last picture, by generation; seconds for everything, and CPU seconds."""

    latencies: dict[str, float] = field(default_factory=dict[str, float])
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    pictures: int = 0


def engine(policy: Policy | None = None, *, rows: int = 2, threads: int | None = None) -> SdxlEngine:
    """Return a loaded engine over the miniature."""
    made = SdxlEngine(
        base=MINIATURE / "base", refiner=MINIATURE / "refiner", policy=policy, batch_rows=rows, threads=threads
    )
    made.load(lambda _what, _fraction: None)
    return made


def request(name: str, samples: int, steps: int, seed: int = 1) -> GenerationRequest:
    """Ask for pictures at the miniature's own size, as the headline job has them: refiner after four fifths."""
    return GenerationRequest(
        generation_id=name,
        prompt="a photo of a red boat on the sea at sunset",
        negative_prompt="blurry",
        width=128,
        height=128,
        samples=samples,
        seed=seed,
        steps=steps,
        refiner_steps=steps,
        guidance_scale=4.0,
        high_noise_frac=0.8,
        use_refiner=True,
        noise_scheduler="EulerDiscreteScheduler",
    )


def mixed(drawing: SdxlEngine, scale: Scale) -> Outcome:
    """Draw the whole load; arrivals are counted in engine steps, so every policy meets the same ones."""
    outcome, since, steps = Outcome(), dict[str, float](), 0
    waiting = [request(f"short {number}", *scale.short, seed=number) for number in range(scale.shorts)]
    begun, used = time.perf_counter(), time.process_time()
    for number in range(scale.longs):
        _admit(drawing, request(f"long {number}", *scale.long, seed=number), since)
    while drawing.busy or waiting:
        if waiting and (steps % scale.every == 0 or not drawing.busy):
            _admit(drawing, waiting.pop(0), since)
        _note(drawing.step(), since, outcome)
        steps += 1
    outcome.seconds, outcome.cpu_seconds = time.perf_counter() - begun, time.process_time() - used
    return outcome


def _admit(drawing: SdxlEngine, wanted: GenerationRequest, since: dict[str, float]) -> None:
    since[wanted.generation_id] = time.perf_counter()
    drawing.admit(wanted)


def _note(events: Sequence[EngineEvent], since: dict[str, float], outcome: Outcome) -> None:
    for event in events:
        if isinstance(event, SampleDone):
            outcome.pictures += 1
        if isinstance(event, Finished):
            outcome.latencies[event.generation_id] = time.perf_counter() - since[event.generation_id]


@dataclass(frozen=True, slots=True)
class Cost:
    """What one drawing took."""

    seconds: float
    cpu_seconds: float


def cost_of(draw: Callable[[], object]) -> Cost:
    """Draw once and say what it took."""
    begun, used = time.perf_counter(), time.process_time()
    draw()
    return Cost(time.perf_counter() - begun, time.process_time() - used)


def draw_alone(drawing: SdxlEngine, wanted: GenerationRequest) -> None:
    """Draw one generation."""
    drawing.admit(replace(wanted, generation_id="alone"))
    while drawing.busy:
        drawing.step()


class Reference:
    """diffusers' own two pipelines over the same weights."""

    def __init__(self) -> None:
        options: dict[str, Any] = {"local_files_only": True, "use_safetensors": True, "dtype": torch.float32}
        options["add_watermarker"] = False
        self._base = StableDiffusionXLPipeline.from_pretrained(MINIATURE / "base", **options)
        self._refiner = StableDiffusionXLImg2ImgPipeline.from_pretrained(MINIATURE / "refiner", **options)
        for pipe, name in ((self._base, "base"), (self._refiner, "refiner")):
            pipe.set_progress_bar_config(disable=True)
            pipe.scheduler = EulerDiscreteScheduler.from_pretrained(MINIATURE / name, subfolder="scheduler")

    def draw(self, wanted: GenerationRequest) -> None:
        """Draw all samples of a request in one batch."""
        generators = [torch.Generator("cpu").manual_seed(wanted.seed + each) for each in range(wanted.samples)]
        common: dict[str, Any] = {
            "prompt": wanted.prompt,
            "negative_prompt": wanted.negative_prompt,
            "guidance_scale": wanted.guidance_scale,
            "num_images_per_prompt": wanted.samples,
            "generator": generators,
        }
        latents = self._base(
            **common,
            width=wanted.width,
            height=wanted.height,
            num_inference_steps=wanted.steps,
            denoising_end=wanted.high_noise_frac,
            output_type="latent",
        ).images
        self._refiner(
            **common,
            image=latents,
            num_inference_steps=wanted.refiner_steps,
            denoising_start=wanted.high_noise_frac,
            output_type="np",
        )
