"""Measure PNG encoding against Pillow's: `python -m bench.png [--quick] [--into FOLDER]`, or `make bench-png`.

Each picture is encoded by both, by turns, on one thread. Those like photographs come from a seed: smooth shapes of all
sizes and the noise of a camera. The miniature's are drawn for this, and enlarged as a worker enlarges them.
"""

import argparse
import io
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from bench.measuring import Spread, machine_facts
from models.shipped import miniature_weights
from models.weights import WeightSet
from pipelines.contract import GenerationRequest, SampleDone
from pipelines.sdxl import SdxlEngine
from server.worker.png import encode_png

RESULTS: Final = Path(__file__).parent / "results"
MUST_TIME: Final = 0.15
MUST_SIZE: Final = 1.05
_NOISE: Final = 1.5
_PROMPTS: Final = ("a red heart on a teal background", "a house on hills at night")
_PACKAGES: Final = ("pillow", "numpy")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of picture, encoded both ways: seconds of each picture and repeat, bytes of each picture."""

    name: str
    ours: Sequence[float]
    pillow: Sequence[float]
    our_bytes: int
    pillow_bytes: int

    @property
    def times(self) -> Spread:
        """Our time by Pillow's, picture by picture."""
        return Spread.of([mine / theirs for mine, theirs in zip(self.ours, self.pillow, strict=True)])

    @property
    def size(self) -> float:
        """Our bytes by Pillow's."""
        return self.our_bytes / self.pillow_bytes


def photograph(seed: int, side: int) -> Image.Image:
    """Return a picture with shapes of all sizes, the smaller the fainter, and noise."""
    rng = np.random.default_rng(seed)
    canvas = np.full((side, side, 3), 128.0)
    grain = 4
    while grain <= side // 4:
        coarse = rng.normal(size=(grain, grain, 3)).astype(np.float32)
        bands = [Image.fromarray(coarse[..., band]).resize((side, side), Image.Resampling.BICUBIC) for band in range(3)]
        canvas += np.stack([np.asarray(band) for band in bands], axis=-1) * 48 / grain
        grain *= 2
    canvas += rng.normal(scale=_NOISE, size=canvas.shape)
    return Image.fromarray(canvas.clip(0, 255).round().astype(np.uint8))


def flat_pictures(side: int) -> list[Image.Image]:
    """Return a gradient, and shapes of one colour each."""
    rows, columns = np.mgrid[0:side, 0:side]
    gradient = np.stack([columns * 255 // side, rows * 255 // side, (rows + columns) * 255 // (2 * side)], axis=-1)
    shapes = np.full((side, side, 3), (20, 120, 120))
    shapes[(columns - side // 3) ** 2 + (rows - side // 2) ** 2 < (side // 5) ** 2] = (200, 30, 30)
    shapes[side * 2 // 3 : side * 7 // 8, side // 10 : side * 3 // 5] = (240, 240, 10)
    return [Image.fromarray(picture.astype(np.uint8)) for picture in (gradient, shapes)]


def miniature_pictures(steps: int) -> list[Image.Image]:
    """Draw with the miniature, at the size it draws at."""
    weights = miniature_weights()
    assert isinstance(weights, WeightSet)
    engine = SdxlEngine(base=weights.base, refiner=weights.refiner, threads=1)
    engine.load(lambda _what, _fraction: None)
    for number, prompt in enumerate(_PROMPTS):
        engine.admit(_request(str(number), prompt, steps))
    drawn: list[Image.Image] = []
    while engine.busy:
        done = [event for event in engine.step() if isinstance(event, SampleDone)]
        drawn += [Image.frombytes("RGB", (each.width, each.height), each.rgb) for each in done]
    return drawn


def _request(generation_id: str, prompt: str, steps: int) -> GenerationRequest:
    return GenerationRequest(
        generation_id=generation_id,
        prompt=prompt,
        negative_prompt="",
        width=128,
        height=128,
        samples=1,
        seed=7,
        steps=steps,
        refiner_steps=steps,
        guidance_scale=4.0,
        high_noise_frac=0.8,
        use_refiner=True,
        noise_scheduler="EulerDiscreteScheduler",
    )


def kinds(side: int, photographs: int, steps: int) -> Iterator[tuple[str, list[Image.Image]]]:
    """Yield the kinds of pictures."""
    yield f"like photographs, {side}²", [photograph(seed, side) for seed in range(photographs)]
    yield f"flat, {side}²", flat_pictures(side)
    drawn = miniature_pictures(steps)
    yield "the miniature's, 128²", drawn
    yield (
        f"the miniature's, enlarged to {side}²",
        [picture.resize((side, side), Image.Resampling.LANCZOS) for picture in drawn],
    )


def measure(name: str, pictures: Sequence[Image.Image], repeats: int) -> Kind:
    """Encode every picture both ways, by turns, and check that nothing of it is lost."""
    ours: list[float] = []
    pillow: list[float] = []
    our_bytes = pillow_bytes = 0
    for picture in pictures:
        rgb = picture.tobytes()
        for _ in range(repeats):
            own, seconds = _timed(lambda rgb=rgb, size=picture.size: encode_png(*size, rgb))
            ours.append(seconds)
            theirs, seconds = _timed(lambda picture=picture: _pillow(picture))
            pillow.append(seconds)
        with Image.open(io.BytesIO(own)) as read:
            assert read.tobytes() == rgb
        our_bytes += len(own)
        pillow_bytes += len(theirs)
    return Kind(name, ours, pillow, our_bytes, pillow_bytes)


def _timed(encode: Callable[[], bytes]) -> tuple[bytes, float]:
    begun = time.perf_counter()
    return encode(), time.perf_counter() - begun


def _pillow(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def longest_pause(picture: Image.Image, encodings: int) -> float:
    """Return the longest time (s) for which another thread of this process, woken each millisecond, was held up."""
    rgb = picture.tobytes()
    worker = threading.Thread(target=lambda: [encode_png(*picture.size, rgb) for _ in range(encodings)])
    worker.start()
    longest, before = 0.0, time.perf_counter()
    while worker.is_alive():
        time.sleep(0.001)
        now = time.perf_counter()
        longest, before = max(longest, now - before), now
    return longest


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, write and print."""
    parser = argparse.ArgumentParser(description="Measure PNG encoding against Pillow's default in the same run.")
    parser.add_argument("--quick", action="store_true", help="small pictures; the figures mean nothing")
    parser.add_argument("--into", type=Path, default=RESULTS, help="the folder for the result")
    given = parser.parse_args(arguments)
    side, photographs, steps, repeats = (320, 1, 2, 1) if given.quick else (1024, 4, 16, 3)
    found = [measure(name, pictures, repeats) for name, pictures in kinds(side, photographs, steps)]
    pause = longest_pause(photograph(0, side), repeats)
    at = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    body = {
        "at": at,
        "quick": given.quick,
        "machine": machine_facts(_PACKAGES),
        "must": {"time": MUST_TIME, "size": MUST_SIZE, "of": found[0].name},
        "kinds": [asdict(kind) | {"time_ratio": asdict(kind.times), "size_ratio": kind.size} for kind in found],
        "longest_pause_ms": pause * 1000,
    }
    given.into.mkdir(parents=True, exist_ok=True)
    (given.into / f"png-{at}.json").write_text(json.dumps(body, indent=1) + "\n")
    console = Console(width=120)
    console.print(_table(found))
    console.print(f"while encoding, another thread waited {pause * 1000:.1f} ms at most", highlight=False)


def _table(found: Sequence[Kind]) -> Table:
    made = Table("pictures", "ours, ms", "Pillow's, ms", "time", "size", "holds")
    for number, kind in enumerate(found):
        mine, theirs = (Spread.of(values).median * 1000 for values in (kind.ours, kind.pillow))
        times = kind.times
        holds = "yes" if times.median <= MUST_TIME and kind.size <= MUST_SIZE else "NO"
        shown = f"{times.median:.3f} ({times.low:.3f}–{times.high:.3f})"
        made.add_row(kind.name, f"{mine:.1f}", f"{theirs:.1f}", shown, f"{kind.size:.3f}", "" if number else holds)
    return made


if __name__ == "__main__":
    main()
