"""Draws held-out combinations with the server's own engine and has them judged; prints a table."""

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from models.vocabulary import read_vocabulary
from pipelines.contract import Failed, GenerationRequest, LoraUse, SampleDone
from pipelines.sdxl import SdxlEngine
from tools.miniature.canvas import Pixels
from tools.miniature.judge import Verdict, look_at
from tools.miniature.layout import LORA_NAME
from tools.miniature.scenes import Captioned, Still, pick, single
from tools.miniature.world import NATIVE, paint_captioned


@dataclass(frozen=True, slots=True)
class Asked:
    """A prompt and what a picture of it should show."""

    captioned: Captioned
    wanted: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How to draw. 1 is a refiner that is used where there is one."""

    steps: int = 20
    guidance: float = 5.0
    refiner: bool = True
    lora_weight: float | None = None
    negative: str = ""


class Painter:
    """The engine over an exported model."""

    def __init__(self, folder: Path, threads: int = 1) -> None:
        self._lora = folder / "loras" / f"{LORA_NAME}.safetensors"
        refiner = folder / "refiner"
        self.has_refiner = refiner.is_dir()
        self._engine = SdxlEngine(base=folder / "base", refiner=refiner if self.has_refiner else None, threads=threads)
        self._engine.load(lambda _what, _fraction: None)

    def draw(self, prompt: str, seed: int, settings: Settings) -> Pixels:
        """Draw one picture."""
        return self.draw_all(prompt, seed, settings, 1)[0]

    def draw_all(self, prompt: str, seed: int, settings: Settings, samples: int) -> list[Pixels]:
        """Draw so many pictures, from as many seeds in a row."""
        weight = settings.lora_weight
        loras = () if weight is None else (LoraUse(name=LORA_NAME, path=str(self._lora), weight=weight),)
        self._engine.admit(
            GenerationRequest(
                generation_id="one",
                prompt=prompt,
                negative_prompt=settings.negative,
                width=NATIVE,
                height=NATIVE,
                samples=samples,
                seed=seed,
                steps=settings.steps,
                refiner_steps=settings.steps,
                guidance_scale=settings.guidance,
                high_noise_frac=0.8,
                use_refiner=settings.refiner and self.has_refiner,
                noise_scheduler="EulerDiscreteScheduler",
                loras=loras,
            )
        )
        pictures: list[Pixels] = []
        while self._engine.busy:
            for event in self._engine.step():
                if isinstance(event, Failed):
                    raise RuntimeError(event.reason)  # noqa: TRY004 - the engine failed, no type
                if isinstance(event, SampleDone):
                    pictures.append(np.frombuffer(event.rgb, np.uint8).reshape(event.height, event.width, 3))
        return pictures


def held_out_prompts(count: int, seed: int = 9) -> list[Asked]:
    """Prompts of held-out combinations, each combination about as often, in every size and place."""
    words = read_vocabulary()
    rng = np.random.default_rng(seed)
    combinations = sorted(words.held_out())
    asked: list[Asked] = []
    for number in range(count):
        colour, shape, background = combinations[number % len(combinations)]
        size, position = pick(rng, list(words.sizes)), pick(rng, list(words.positions))
        captioned = single(colour, shape, background, size, position, rng)
        asked.append(Asked(captioned, Verdict(colour=colour, shape=shape, background=background, position=position)))
    return asked


def score(asked: Sequence[Asked], pictures: Sequence[Pixels]) -> dict[str, float]:
    """The part of the pictures that show what was asked for; position where the prompt names one."""
    right, counted = Counter[str](), Counter[str]()
    for question, picture in zip(asked, pictures, strict=True):
        seen = look_at(picture)
        for trait in ("colour", "background", "shape", "position"):
            wanted = getattr(question.wanted, trait)
            if not wanted:
                continue
            counted[trait] += 1
            right[trait] += getattr(seen, trait) == wanted
    return {trait: right[trait] / counted[trait] for trait in counted}


def true_pictures(asked: Sequence[Asked]) -> list[Pixels]:
    """What the world itself paints for the prompts: the judge's own test."""
    return [paint_captioned(question.captioned).pixels for question in asked]


def contact_sheet(pictures: Sequence[Pixels], columns: int, path: Path) -> None:
    """Write pictures side by side as PNG."""
    rows = [np.concatenate(list(pictures[at : at + columns]), axis=1) for at in range(0, len(pictures), columns)]
    Image.fromarray(np.concatenate([row for row in rows if row.shape == rows[0].shape])).save(path)


def table(painter: Painter, count: int, settings: Sequence[tuple[str, Settings]]) -> str:
    """Scores as a Markdown table, a line for each way to draw."""
    asked = held_out_prompts(count)
    lines = ["| drawn by | colour | background | shape | position |", "|---|---|---|---|---|"]
    results = [("the world (the judge's own test)", score(asked, true_pictures(asked)))]
    for name, setting in settings:
        pictures = [painter.draw(question.captioned.caption, seed, setting) for seed, question in enumerate(asked)]
        results.append((name, score(asked, pictures)))
    for name, result in results:
        figures = " | ".join(f"{result.get(trait, 0):.1%}" for trait in ("colour", "background", "shape", "position"))
        lines.append(f"| {name} | {figures} |")
    return "\n".join(lines)


def main() -> None:
    """Evaluate from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("data/training/model"))
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--sheet", type=Path, default=Path("data/training/sheet.png"))
    options = parser.parse_args()
    painter = Painter(options.model, options.threads)
    ways = [("base", Settings(refiner=False)), ("base, guidance 1", Settings(refiner=False, guidance=1.0))]
    if painter.has_refiner:
        ways.insert(0, ("base + refiner", Settings()))
    print(table(painter, options.count, ways))  # noqa: T201 - a command's output
    options.sheet.parent.mkdir(parents=True, exist_ok=True)
    contact_sheet(_sheet_pictures(painter, ways[0][1]), 8, options.sheet)


def _sheet_pictures(painter: Painter, settings: Settings) -> list[Pixels]:
    still = [asked.captioned.caption for asked in held_out_prompts(16) if isinstance(asked.captioned.scene, Still)]
    others = [
        "a red circle left of a blue square on a white background",
        "a yellow star above a purple heart on a black background",
        "a small white heart inside a large red circle on a teal background",
        "a boat on the sea at sunset",
        "a house in mountains by day",
        "a tree in snow at night",
        "a pyramid in a desert at sunset",
        "hills at night",
    ]
    return [painter.draw(prompt, seed, settings) for seed, prompt in enumerate([*still, *others])]


if __name__ == "__main__":
    main()
