"""The schedules of installed weights, read from their folders."""

import json
from pathlib import Path
from typing import Any, cast

from models.plan import Schedules
from models.plan_timesteps import SDXL_CONFIG, ScheduleConfig, UnknownSchedule, schedule_config
from models.weights import WeightSet


def schedules_of(weights: WeightSet | None) -> Schedules:
    """Read the schedules of base and refiner; None (weights out of sight, or an engine without any): SDXL's own.

    Raises:
        UnknownSchedule: a configuration can't be read, or its timesteps are not known here.
    """
    if weights is None:
        return Schedules()
    refiner = weights.refiner_folder
    return Schedules(_read(weights.base_folder), None if refiner is None else _read(refiner))


def _read(expert: Path) -> ScheduleConfig:
    path = expert / "scheduler" / "scheduler_config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return SDXL_CONFIG  # a checkpoint in one file brings none, and is drawn with SDXL's own
    except (OSError, ValueError) as error:
        raise UnknownSchedule(f"{path} can't be read") from error
    return schedule_config(cast("dict[str, Any]", config) if isinstance(config, dict) else {})
