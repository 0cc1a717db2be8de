"""A compiled engine draws; a LoRA fused in place needs no new compilation. Compiling takes a minute on a CPU."""

import pytest
import torch

from pipelines.compiling import Compilation
from pipelines.contract import Finished
from pipelines.options import EngineOptions
from pipelines.sdxl import SdxlEngine
from tests.sdxl import Darkroom, miniature_fixture, request_for, run_dry  # noqa: F401 - a fixture

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.filterwarnings("ignore"),  # the compiler's own
]


@pytest.mark.parametrize("compilation", [Compilation.REGIONAL, Compilation.FULL])
def test_a_compiled_engine_draws_about_the_same_and_wears_loras_without_compiling_anew(miniature, compilation):
    torch.compiler.reset()
    latents: list[torch.Tensor] = []
    reports: list[str] = []
    engine = SdxlEngine(
        base=miniature.base,
        # whole, one UNet takes the compiler a minute; the refiner's is compiled by the same lines
        refiner=None if compilation is Compilation.FULL else miniature.refiner,
        threads=1,
        on_latents=lambda _id, _sample, drawn: latents.append(drawn.clone()),
        options=EngineOptions(compilation=compilation, compiled_sizes=((64, 64),)),
    )
    engine.load(lambda what, _fraction: reports.append(what))
    assert "compiling for 64 × 64" in reports
    refines = compilation is not Compilation.FULL
    worn = [(), (miniature.lora_use(),), ()]
    requests = [request_for(loras=loras, use_refiner=refines) for loras in worn]
    # from here on nothing may be compiled: the shape was declared, and a LoRA changes no storage
    with torch.compiler.set_stance("fail_on_recompile"):
        for request in requests:
            engine.admit(request)
            assert isinstance(run_dry(engine)[-1], Finished)
    plain = Darkroom(miniature)
    for request, drawn in zip(requests, latents, strict=True):
        torch.testing.assert_close(drawn, plain.final_latents(request), rtol=1e-3, atol=1e-3)
    assert torch.equal(latents[0], latents[2])
    assert not torch.equal(latents[0], latents[1])
