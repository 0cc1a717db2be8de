"""Every combination is diffusers': scheduler × refiner × LoRA × guidance × size, on two sets of weights.

Their LoRA is fused, as it is here. With the LoRA beside the weights diffusers is off from itself by up to 2.7e-4.
"""

from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pytest

from models.noise_schedulers import NOISE_SCHEDULERS
from models.shipped import miniature_weights
from tests.contract.test_sdxl_equality import Reference
from tests.random_sdxl import write_random_sdxl
from tests.sdxl import Darkroom, Miniature, request_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:__array_wrap__ must accept context:DeprecationWarning"),
]

OFF_OF_THE_LARGEST = 1e-5
"""How far latents may be with the LoRA of random weights, which is one of text encoders too; they reach 66. All others
are equal to the bit."""
SIZES = [(64, 64), (136, 72)]
SHIPPED_SIZES = [(128, 128), (136, 104)]


@dataclass(frozen=True)
class Both:
    """Our engine beside diffusers' pipelines, and these once more with the LoRA put on."""

    random: bool
    weights: Miniature
    sizes: list[tuple[int, int]]
    ours: Darkroom
    plain: Reference
    adorned: Reference


@pytest.fixture(scope="module", params=["random", "shipped"])
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Both:
    if request.param == "random":
        folder, sizes = tmp_path_factory.mktemp("random"), SIZES
        write_random_sdxl(folder)
    else:
        folder, sizes = Path(miniature_weights().base.parent), SHIPPED_SIZES
    weights = Miniature(folder)
    adorned = Reference(weights)
    adorned.base.load_lora_weights(
        weights.lora.parent, weight_name=weights.lora.name, adapter_name="it", local_files_only=True
    )
    adorned.base.fuse_lora()
    return Both(request.param == "random", weights, sizes, Darkroom(weights), Reference(weights), adorned)


@pytest.mark.parametrize("worn", [False, True], ids=["plain", "lora"])
@pytest.mark.parametrize("noise_scheduler", NOISE_SCHEDULERS)
def test_every_combination_is_diffusers(both, noise_scheduler, worn):
    for use_refiner, guidance, (width, height) in product([False, True], [1.0, 5.0], both.sizes):
        request = request_for(
            noise_scheduler=noise_scheduler,
            use_refiner=use_refiner,
            guidance_scale=guidance,
            width=width,
            height=height,
            loras=(both.weights.lora_use(),) if worn else (),
        )
        drawn = both.ours.final_latents(request)
        expected = (both.adorned if worn else both.plain).draw(request, request.seed)
        off = float((drawn - expected).abs().max())
        allowed = OFF_OF_THE_LARGEST * float(expected.abs().max()) if worn and both.random else 0.0
        assert off <= allowed, (off, request)
