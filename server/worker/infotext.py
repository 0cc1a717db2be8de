"""Generation parameters as A1111's web UI writes them into its pictures, which many programs read."""

import json
from typing import Final

from server.worker.picture_receipt import Drawing, HashedExpert, HashedWeights, seed_of

KEYWORD: Final = "parameters"

_SAMPLERS: Final = {
    "EulerDiscreteScheduler": "Euler",
    "EulerAncestralDiscreteScheduler": "Euler a",
    "DDIMScheduler": "DDIM",
    "LMSDiscreteScheduler": "LMS",
    "DPMSolverMultistepScheduler": "DPM++ 2M",
    "PNDMScheduler": "PLMS",
    "DDPMScheduler": "DDPM",
    "DPM++ 2M trailing": "DPM++ 2M SGM Uniform",
    "Euler trailing": "Euler SGM Uniform",
    "Euler a trailing": "Euler a SGM Uniform",
    "KDPM2": "DPM2",
    "KDPM2 Karras": "DPM2 Karras",
}
"""Names of the same samplers there; others keep their name."""


def infotext(drawing: Drawing, sample: int, weights: HashedWeights, tool: str) -> str:
    """Return prompt, negative prompt and a line of settings. The prompt stands there as sent, LoRA tags included."""
    request = drawing.request
    width, height = drawing.enlarged_to or (request.width, request.height)
    settings = {
        "Steps": str(request.steps),
        "Sampler": _SAMPLERS.get(request.noise_scheduler, request.noise_scheduler),
        "CFG scale": f"{request.guidance_scale:g}",
        "Seed": str(seed_of(request, sample)),
        "Size": f"{width}x{height}",
        **_model(weights.base),
        "Lora hashes": ", ".join(f"{use.name}: {file.short}" for use, file in weights.loras if file.short),
        **_refiner(drawing, weights.refiner),
        "Version": tool,
    }
    lines = [str(drawing.values.get("prompt", request.prompt))]
    if negative := str(drawing.values.get("negativePrompt", request.negative_prompt)):
        lines.append(f"Negative prompt: {negative}")
    lines.append(", ".join(f"{name}: {_quoted(text)}" for name, text in settings.items() if text))
    return "\n".join(lines)


def _model(base: HashedExpert | None) -> dict[str, str]:
    if base is None:
        return {}
    return {"Model hash": base.files[0].short if base.files else "", "Model": base.name}


def _refiner(drawing: Drawing, refiner: HashedExpert | None) -> dict[str, str]:
    if refiner is None:
        return {}
    short = f" [{refiner.files[0].short}]" if refiner.files and refiner.files[0].short else ""
    return {
        "Refiner": f"{refiner.name}{short}",
        "Refiner switch at": f"{drawing.request.high_noise_frac:g}",
        "Refiner steps": str(drawing.request.refiner_steps),
    }


def _quoted(text: str) -> str:
    # as there: quotes around what the line's own marks would break
    return json.dumps(text, ensure_ascii=False) if any(mark in text for mark in ",:\n") else text
