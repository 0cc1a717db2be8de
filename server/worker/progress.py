"""How far a drawing is, in plain numbers; the porch turns them into Wiro's words."""

from pipelines.contract import Stepped
from server.domain.types import JsonObject


def progress_payload(event: Stepped, elapsed: float) -> JsonObject:
    """Return step, total, phase, sample, and seconds: elapsed, and remaining at the average speed so far."""
    speed = event.step / elapsed if elapsed > 0 else 0.0
    return {
        "step": event.step,
        "total": event.total_steps,
        "phase": event.phase.value,
        "sample": event.sample,
        "speed": round(speed, 3),
        "elapsed": round(elapsed, 3),
        "remaining": round((event.total_steps - event.step) / speed, 3) if speed else 0.0,
    }
