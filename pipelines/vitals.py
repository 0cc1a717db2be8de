"""What the engine has done since it was loaded."""

from dataclasses import dataclass

from pipelines.contract import Vitals
from pipelines.studio import Studio


@dataclass(slots=True)
class Forwards:
    """UNet forwards so far: how many, the places they had, and the samples in them."""

    count: int = 0
    places: int = 0
    samples: int = 0

    def ran(self, samples: int, places: int) -> None:
        """Count one."""
        self.count += 1
        self.places += places
        self.samples += samples


def vitals_of(studio: Studio, forwards: Forwards) -> Vitals:
    """Return the engine's vitals."""
    used, total = studio.memory.in_use()
    return Vitals(
        forwards=forwards.count,
        places=forwards.places,
        samples=forwards.samples,
        embedding_hits=studio.embeddings.hits,
        embedding_misses=studio.embeddings.misses,
        lora_hits=studio.shelf.hits,
        lora_misses=studio.shelf.misses,
        memory_used=used,
        memory_total=total,
    )
