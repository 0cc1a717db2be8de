"""`python -m pipelines.proof REQUEST`: one prompt by diffusers' own pipelines and by ours, on the same weights.

REQUEST is a `ProofRequest` as JSON; the answer, a JSON object, is the last line of standard output.
"""

import gc
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"  # before diffusers reads it: nothing is fetched by surprise
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch does: as in the engine child

import diffusers
import torch
import transformers
from diffusers import AutoencoderKL, StableDiffusionXLImg2ImgPipeline, StableDiffusionXLPipeline

from pipelines.contract import Failed, GenerationRequest
from pipelines.device import choose_dtype
from pipelines.expert_files import ExpertFiles
from pipelines.sdxl import SdxlEngine


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofRequest:
    """What to draw, with what. Paths as in the engine's specification; "" is none."""

    device: str
    base: str
    refiner: str = ""
    base_config: str = ""
    refiner_config: str = ""
    vae: str = ""
    prompt: str
    width: int
    height: int
    steps: int
    seed: int = 7
    high_noise_frac: float = 0.8
    guidance_scale: float = 5.0
    noise_scheduler: str = "EulerDiscreteScheduler"


@dataclass(frozen=True, slots=True)
class _Run:
    """Final latents in float32 on the CPU, seconds to them without loading, peak bytes on the GPU (None: no GPU)."""

    latents: torch.Tensor
    seconds: float
    peak_bytes: int | None


def prove(request: ProofRequest) -> dict[str, Any]:
    """Draw twice and compare. Raises RuntimeError where our engine can't draw it; else whatever diffusers raises."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu") if request.device == "auto" else None
    device = device or torch.device(request.device)
    request = replace(request, device=str(device))
    reference = _measured(device, lambda: _by_diffusers(request, device))
    ours = _measured(device, lambda: _by_easel(request))
    gpu = device.type == "cuda"
    name = torch.cuda.get_device_name(device) if gpu else f"CPU, {torch.get_num_threads()} threads"
    difference = (ours.latents - reference.latents).abs()
    return {
        "request": asdict(request),
        "device": name,
        "dtype": str(choose_dtype("auto", device)).removeprefix("torch."),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "diffusers": diffusers.__version__,
            "transformers": transformers.__version__,
        },
        "equal": torch.equal(ours.latents, reference.latents),
        "largest_difference": float(difference.max()),
        "mean_difference": float(difference.mean()),
        "latents_deviation": float(reference.latents.std()),
        "diffusers": {"seconds": reference.seconds, "peak_bytes": reference.peak_bytes},
        "easel": {"seconds": ours.seconds, "peak_bytes": ours.peak_bytes},
    }


def _measured(device: torch.device, draw: Callable[[], tuple[torch.Tensor, float]]) -> _Run:
    gc.collect()
    if device.type != "cuda":
        return _Run(*draw(), None)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    latents, seconds = draw()
    return _Run(latents, seconds, torch.cuda.max_memory_allocated(device))


def _by_easel(request: ProofRequest) -> tuple[torch.Tensor, float]:
    done: list[tuple[torch.Tensor, float]] = []
    engine = SdxlEngine(
        base=_files(request, refiner=False),
        refiner=_files(request, refiner=True) if request.refiner else None,
        device=request.device,
        on_latents=lambda _id, _sample, latents: done.append((latents.float().cpu().clone(), time.perf_counter())),
    )
    engine.load(lambda _what, _fraction: None)
    started = time.perf_counter()
    engine.admit(_generation(request))
    while engine.busy:
        failed = next((event for event in engine.step() if isinstance(event, Failed)), None)
        if failed is not None:
            raise RuntimeError(failed.reason)
    latents, at = done[0]
    return latents, at - started


def _generation(request: ProofRequest) -> GenerationRequest:
    return GenerationRequest(
        generation_id="proof",
        prompt=request.prompt,
        negative_prompt="",
        width=request.width,
        height=request.height,
        samples=1,
        seed=request.seed,
        steps=request.steps,
        refiner_steps=request.steps,
        guidance_scale=request.guidance_scale,
        high_noise_frac=request.high_noise_frac,
        use_refiner=bool(request.refiner),
        noise_scheduler=request.noise_scheduler,
    )


def _by_diffusers(request: ProofRequest, device: torch.device) -> tuple[torch.Tensor, float]:
    base = _pipeline(StableDiffusionXLPipeline, _files(request, refiner=False), device, request.noise_scheduler)
    shared = {"text_encoder_2": base.text_encoder_2, "vae": base.vae}
    refiner = None
    if request.refiner:
        files = _files(request, refiner=True)
        refiner = _pipeline(StableDiffusionXLImg2ImgPipeline, files, device, request.noise_scheduler, **shared)
    common = {
        "prompt": request.prompt,
        "negative_prompt": "",
        "guidance_scale": request.guidance_scale,
        "num_inference_steps": request.steps,
        "generator": torch.Generator("cpu").manual_seed(request.seed),
        "output_type": "latent",
    }
    started = time.perf_counter()
    end = request.high_noise_frac if refiner else None
    latents = base(**common, width=request.width, height=request.height, denoising_end=end).images
    if refiner is not None:
        latents = refiner(**common, image=latents, denoising_start=request.high_noise_frac).images
    latents = latents.float().cpu()  # waits for the device
    return latents, time.perf_counter() - started


def _pipeline(kind: Any, files: ExpertFiles, device: torch.device, scheduler: str, **shared: Any) -> Any:
    options: dict[str, Any] = {
        "dtype": choose_dtype("auto", device),
        "local_files_only": True,
        "add_watermarker": False,
        **shared,
    }
    if files.vae is not None:
        options["vae"] = shared.get("vae") or files.read(AutoencoderKL, "vae", torch.float32)
    if files.folder != files.weights:
        pipe = kind.from_single_file(str(files.weights), config=str(files.folder), **options)
    else:
        pipe = kind.from_pretrained(files.weights, variant=files.variant_of("unet"), use_safetensors=True, **options)
    pipe.set_progress_bar_config(disable=True)
    pipe.scheduler = getattr(diffusers, scheduler).from_pretrained(files.folder, subfolder="scheduler")
    return pipe.to(device)


def _files(request: ProofRequest, *, refiner: bool) -> ExpertFiles:
    weights, config = (request.refiner, request.refiner_config) if refiner else (request.base, request.base_config)
    return ExpertFiles(Path(weights), Path(config) if config else None, Path(request.vae) if request.vae else None)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(prove(ProofRequest(**json.loads(sys.argv[1])))) + "\n")
