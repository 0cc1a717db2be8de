"""What the examples speak of: a task in the queue, the same task when it is drawn, a model."""

from typing import Final

from server.domain.lifecycle import TaskStatus
from server.domain.task import Output, Task
from server.domain.types import FileId, ProjectId, TaskId

TOKEN: Final = "eDcCm5yyUfIvMFspTwww49OUfgXkQt"  # noqa: S105 nobody's
"""Of a task in the queue."""
TASK_ID: Final = "2221"
DRAWN_TOKEN: Final = "pW3kTzq0YHn8sVb1LrE6uGdJ2cXaFm"  # noqa: S105 nobody's
"""Of a task that is drawn."""
ACCESS_KEY: Final = "ruDmtHqHCtOqg4JmrFoUMZIaHbUC5jXa"
FILE: Final = "0.png"
FOLDER_ID: Final = "7"
OWNER: Final = "hevok"
MODEL: Final = "studio-trigger"
BASE: Final = "http://127.0.0.1:8000"
INPUTS: Final = {"prompt": "a lighthouse on a cliff at dawn", "samples": "1", "width": "512", "height": "512"}

PLAN: Final[dict[str, object]] = {
    "model": "hevok/studio-trigger",
    "scheduler": "EulerDiscreteScheduler",
    "samples": 1,
    "drawn": {"width": 512, "height": 512},
    "delivered": {"width": 512, "height": 512},
    "installedloras": ["Studio-Trigger"],
    "loras": [],
    "prompt": {
        "prompt": {"weights": [], "breaks": 0, "tokens": [7], "leftOut": 0},
        "negativePrompt": {"weights": [], "breaks": 0, "tokens": [0], "leftOut": 0},
        "chunks": 1,
    },
    "notes": [],
    "base": 5,
    "refiner": 0,
    "steps": 5,
    "unetevaluations": 10,
    "timesteps": {"base": [801, 601, 401, 201, 1], "refiner": []},
    "estimatedseconds": 9.4,
    "estimatedmemory": {
        "dtype": "float16",
        "weights": 7_103_000_000,
        "drawing": 3_221_225_472,
        "resident": 11_666_402_752,
        "offload": 6_900_000_000,
    },
    "queueposition": 2,
    "estimatedwait": 12.0,
}

_TIME: Final = 1734513807.0
_AFTER: Final = {
    TaskStatus.QUEUE: 0,
    TaskStatus.ACCEPT: 1,
    TaskStatus.PREPROCESS_START: 1,
    TaskStatus.PREPROCESS_END: 1,
    TaskStatus.ASSIGN: 1,
    TaskStatus.START: 2,
    TaskStatus.END: 8,
    TaskStatus.POSTPROCESS_START: 8,
    TaskStatus.POSTPROCESS_END: 8,
}


def sample_task(status: TaskStatus) -> Task:
    """Return a task as it is in the queue, cancelled there, or drawn."""
    drawn = status is TaskStatus.POSTPROCESS_END
    reached = set(_AFTER) if drawn else {TaskStatus.QUEUE, status}
    return Task(
        id=TaskId(int(TASK_ID)),
        uuid="0dc4f5a1-4a52-4a3c-9a52-8b9a5d6f1c11",
        project_id=ProjectId(1),
        token=DRAWN_TOKEN if drawn else TOKEN,
        model=f"{OWNER}/{MODEL}",
        parameters=INPUTS,
        values={},
        callback_url="",
        base_url=BASE,
        status=status,
        turn=1,
        attempt=int(drawn),
        crashes=0,
        last_seq=1,
        pexit="0" if drawn else "",
        message="",
        times={each: _TIME + _AFTER.get(each, 1) for each in reached},
        files=(_output(),) if drawn else (),
        receipt={"miniature": False, "weights": {"name": "stable-diffusion-xl-base-1.0"}} if drawn else {},
    )


def _output() -> Output:
    return Output(
        sample=0,
        name=FILE,
        content_type="image/png",
        size=202472,
        sha256="0" * 64,
        access_key=ACCESS_KEY,
        key="",
        id=FileId(31),
        uuid="5b7a8c8e-2f43-4d2e-8a56-0f2b9a1f7c21",
        attempt=1,
        created_at=_TIME + _AFTER[TaskStatus.END],
    )
