"""Five hundred tasks that change LoRAs, bad files among them: memory and descriptors stay flat. `make soak-lora`."""

import gc
import statistics
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from pipelines.contract import Failed, Finished, LoraUse
from pipelines.options import EngineOptions
from tests.sdxl import Darkroom, miniature_fixture, request_for  # noqa: F401 - a fixture

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"),
]

TASKS = 500
WARM_UP = 100
PAGE_KIB = 4
MOST_KIB_PER_TASK = 4.0
"""A leak of one LoRA's layers, of one latent or of one picture would each be several times this."""


def resident_kib() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_KIB


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def slope(values: list[int]) -> float:
    """By Theil and Sen over halves: the median of what lies between each value and that half a series later."""
    half = len(values) // 2
    return statistics.median((values[index + half] - values[index]) / half for index in range(half))


def lora_files(folder: Path, original: Path) -> list[LoraUse]:
    """Eight good ones, each of other numbers; one with NaN, one of another shape, one cut short, one missing."""
    weights = load_file(original)
    uses: list[LoraUse] = []
    for number in range(8):
        generator = torch.Generator().manual_seed(number)
        file = folder / f"good-{number}.safetensors"
        noisy = {key: value + 0.01 * torch.randn(value.shape, generator=generator) for key, value in weights.items()}
        save_file(noisy, file)
        uses.append(LoraUse(name=file.stem, path=str(file), weight=0.5 + number / 8))
    up = next(key for key in weights if key.endswith("lora_up.weight"))
    save_file({**weights, up: weights[up] * float("nan")}, folder / "nan.safetensors")
    save_file({**weights, up: torch.zeros(3, 4)}, folder / "shape.safetensors")
    (folder / "short.safetensors").write_bytes(original.read_bytes()[:-50])
    bad = ("nan", "shape", "short", "missing")
    return [*uses, *(LoraUse(name=name, path=str(folder / f"{name}.safetensors"), weight=1.0) for name in bad)]


@pytest.mark.parametrize("cache_bytes", [0, 200_000], ids=["nothing kept", "a few kept"])
def test_five_hundred_tasks_that_change_loras_leave_memory_flat(miniature, tmp_path, cache_bytes):
    room = Darkroom(miniature, options=EngineOptions(lora_cache_bytes=cache_bytes))
    uses = lora_files(tmp_path, miniature.lora)
    fresh = room.final_latents(request_for(steps=1, use_refiner=False))
    memory, open_files, failed = [], [], 0
    for number in range(TASKS):
        loras = (uses[number * 7 % len(uses)], *([uses[number % 8]] if number % 3 else []))
        events = room.draw(request_for(f"t{number}", steps=1, use_refiner=False, loras=loras))
        room.latents.clear()
        failed += isinstance(events[-1], Failed)
        assert isinstance(events[-1], Failed | Finished)
        gc.collect()
        memory.append(resident_kib())
        open_files.append(descriptors())
    grown = slope(memory[WARM_UP:])
    print(f"{failed} of {TASKS} failed as they should; {grown:.3f} KiB a task; {memory[WARM_UP]} to {memory[-1]} KiB")  # noqa: T201
    assert failed == sum(number * 7 % len(uses) >= 8 for number in range(TASKS))
    assert grown < MOST_KIB_PER_TASK
    assert open_files[-1] <= open_files[WARM_UP]
    assert torch.equal(room.final_latents(request_for(steps=1, use_refiner=False)), fresh)
