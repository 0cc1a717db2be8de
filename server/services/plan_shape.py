"""A step plan as JSON: the same subject in a task's receipt and in the answer to a dry run."""

from models.plan import StepPlan
from server.domain.types import JsonObject, JsonValue


def plan_subject(plan: StepPlan) -> JsonObject:
    """Return the numbers of a plan, and its notes as one `note` where there are some.

    `base` and `refiner` are UNet forwards of one sample, `steps` of all; `unetevaluations` counts the rows of guidance
    pairs. `handover` is the timestep below which the refiner takes over.
    """
    subject: dict[str, JsonValue] = {
        "base": len(plan.base),
        "refiner": len(plan.refiner),
        "steps": plan.total_steps,
        "unetevaluations": plan.evaluations,
    }
    if plan.hand_over is not None:
        subject["handover"] = plan.hand_over
    if plan.notes:
        subject["note"] = " ".join(plan.notes)
    return subject
