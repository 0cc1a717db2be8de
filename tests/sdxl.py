"""A small SDXL with random weights, and requests for it. `miniature_fixture` lets tests ask for `miniature`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from pipelines.contract import EngineEvent, GenerationRequest, LoraUse, SampleDone
from pipelines.options import EngineOptions
from pipelines.sdxl import SdxlEngine
from tests.random_sdxl import write_random_sdxl
from tools.miniature.layout import LORA_NAME


@dataclass(frozen=True)
class Miniature:
    """Where the parts of a small SDXL lie."""

    folder: Path

    @property
    def base(self) -> Path:
        return self.folder / "base"

    @property
    def refiner(self) -> Path:
        return self.folder / "refiner"

    @property
    def lora(self) -> Path:
        return self.folder / "loras" / f"{LORA_NAME}.safetensors"

    def lora_use(self, weight: float = 1.0) -> LoraUse:
        return LoraUse(name=LORA_NAME, path=str(self.lora), weight=weight)


@pytest.fixture(scope="session", name="miniature")
def miniature_fixture(tmp_path_factory: pytest.TempPathFactory) -> Miniature:
    """A small real SDXL with random weights, written once."""
    folder = tmp_path_factory.mktemp("miniature")
    write_random_sdxl(folder)
    return Miniature(folder)


class Darkroom:
    """A loaded SdxlEngine that keeps the final latents of every sample."""

    def __init__(
        self, miniature: Miniature, *, with_refiner: bool = True, options: EngineOptions | None = None
    ) -> None:
        self.latents: dict[tuple[str, int], torch.Tensor] = {}
        self.engine = SdxlEngine(
            base=miniature.base,
            refiner=miniature.refiner if with_refiner else None,
            threads=1,  # pictures this small gain nothing from a second one, and lose much where cores are busy
            on_latents=self._keep,
            options=options,
        )
        self.engine.load(lambda _what, _fraction: None)

    def _keep(self, generation_id: str, sample: int, latents: torch.Tensor) -> None:
        self.latents[generation_id, sample] = latents.clone()

    def draw(self, request: GenerationRequest) -> list[EngineEvent]:
        """Draw one generation to its end and return its events."""
        self.engine.admit(request)
        return run_dry(self.engine)

    def final_latents(self, request: GenerationRequest, sample: int = 0) -> torch.Tensor:
        """Draw one generation and return one sample's latents."""
        events = self.draw(request)
        assert any(isinstance(event, SampleDone) for event in events), events
        return self.latents[request.generation_id, sample]


def run_dry(engine: Any) -> list[EngineEvent]:
    """Step an engine until it has nothing to do."""
    events: list[EngineEvent] = []
    while engine.busy:
        events.extend(engine.step())
    return events


def request_for(generation_id: str = "g1", **changes: Any) -> GenerationRequest:
    """Ask for a small picture in few steps."""
    fields: dict[str, Any] = {
        "generation_id": generation_id,
        "prompt": "a photo of a cat in the snow",
        "negative_prompt": "blurry",
        "width": 64,
        "height": 64,
        "samples": 1,
        "seed": 7,
        "steps": 6,
        "refiner_steps": 6,
        "guidance_scale": 5.0,
        "high_noise_frac": 0.7,
        "use_refiner": True,
        "noise_scheduler": "EulerDiscreteScheduler",
        **changes,
    }
    return GenerationRequest(**fields)
