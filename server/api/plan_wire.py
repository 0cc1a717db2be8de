"""A foreseen Run as the dry run answers it. easel's own, so numbers are numbers."""

from dataclasses import asdict

from server.api.wire import Wire
from server.services.foresee import Foreseen
from server.services.plan_shape import plan_subject


def plan_wire(foreseen: Foreseen) -> Wire:
    """Return what would happen; what nobody knows is left out."""
    values, steps = foreseen.values, foreseen.steps
    notes = [*(steps.notes if steps else ()), *foreseen.notes]
    shown: Wire = {
        "model": foreseen.card.slug,
        "scheduler": values.noise_scheduler,
        "samples": values.samples,
        "drawn": _size(foreseen.drawn),
        "delivered": _size(foreseen.delivered),
        "loras": [{"name": lora.name, "weight": lora.weight, "status": lora.sight} for lora in foreseen.loras],
        "installedloras": list(foreseen.installed),
        "prompt": foreseen.prompt,
        "notes": notes,
    }
    if steps is not None:
        numbers = {name: value for name, value in plan_subject(steps).items() if name != "note"}
        timesteps = {"base": _rounded(steps.base), "refiner": _rounded(steps.refiner)}
        shown |= {**numbers, "timesteps": timesteps}
    guesses = {
        "estimatedseconds": foreseen.seconds,
        "queueposition": foreseen.position,
        "estimatedwait": foreseen.wait,
    }
    if (memory := foreseen.memory) is not None:
        shown["estimatedmemory"] = {name: value for name, value in asdict(memory).items() if value is not None}
    return shown | {name: round(value, 1) for name, value in guesses.items() if value is not None}


def _size(size: tuple[int, int]) -> Wire:
    return {"width": size[0], "height": size[1]}


def _rounded(timesteps: tuple[float, ...]) -> list[float]:
    return [round(each, 3) for each in timesteps]
