"""SdxlEngine draws what diffusers' own two pipelines draw, on a small real SDXL, in float32 on a CPU."""

import json
from pathlib import Path

import diffusers
import numpy as np
import pytest
import torch
from diffusers import StableDiffusionXLImg2ImgPipeline, StableDiffusionXLPipeline
from safetensors.torch import load_file, save_file

from models.noise_schedulers import NOISE_SCHEDULERS
from pipelines.contract import Failed, Finished, GenerationRequest, LogLine, LoraUse, Phase, SampleDone, Stepped
from tests.sdxl import Darkroom, Miniature, miniature_fixture, request_for  # noqa: F401 - a fixture

LORA_TOLERANCE = 1e-4

# diffusers turns tensors into arrays in a way that numpy 2 frowns on
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:__array_wrap__ must accept context:DeprecationWarning"),  # its DEIS
]


class Reference:
    """diffusers' base and refiner pipelines, freshly loaded."""

    def __init__(self, miniature: Miniature) -> None:
        self._miniature = miniature
        # the shipped miniature's files are in float16, and drawn in float32
        options = {"local_files_only": True, "use_safetensors": True, "add_watermarker": False, "dtype": torch.float32}
        self.base = StableDiffusionXLPipeline.from_pretrained(miniature.base, **options)
        self.refiner = StableDiffusionXLImg2ImgPipeline.from_pretrained(miniature.refiner, **options)
        for pipe in (self.base, self.refiner):
            pipe.set_progress_bar_config(disable=True)

    def draw(self, request: GenerationRequest, seed: int, output_type: str = "latent"):
        """Draw one sample."""
        wanted = NOISE_SCHEDULERS[request.noise_scheduler]
        scheduler, options = getattr(diffusers, wanted.kind), {"subfolder": "scheduler", **wanted.overrides}
        self.base.scheduler = scheduler.from_pretrained(self._miniature.base, **options)
        self.refiner.scheduler = scheduler.from_pretrained(self._miniature.refiner, **options)
        generator = torch.Generator("cpu").manual_seed(seed)
        common = {
            "prompt": request.prompt,
            "negative_prompt": request.negative_prompt,
            "guidance_scale": request.guidance_scale,
            "generator": generator,
        }
        latents = self.base(
            **common,
            width=request.width,
            height=request.height,
            num_inference_steps=request.steps,
            denoising_end=request.high_noise_frac if request.use_refiner else None,
            output_type="latent" if request.use_refiner else output_type,
        ).images
        if not request.use_refiner:
            return latents
        return self.refiner(
            **common,
            image=latents,
            num_inference_steps=request.refiner_steps,
            denoising_start=request.high_noise_frac,
            output_type=output_type,
        ).images


@pytest.fixture(scope="module")
def reference(miniature: Miniature) -> Reference:
    return Reference(miniature)


@pytest.fixture(scope="module")
def darkroom(miniature: Miniature) -> Darkroom:
    return Darkroom(miniature)


def phases(events) -> dict[Phase, int]:
    steps = [event.phase for event in events if isinstance(event, Stepped)]
    return {phase: steps.count(phase) for phase in Phase if phase in steps}


# ── diffusers' numbers ───────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("use_refiner", [False, True], ids=["base", "refined"])
@pytest.mark.parametrize("noise_scheduler", NOISE_SCHEDULERS)
def test_latents_are_diffusers_to_the_bit(darkroom, reference, noise_scheduler, use_refiner):
    request = request_for(noise_scheduler=noise_scheduler, use_refiner=use_refiner)
    assert torch.equal(darkroom.final_latents(request), reference.draw(request, request.seed))


@pytest.mark.parametrize(
    "changes",
    [
        {"steps": 10, "refiner_steps": 4, "high_noise_frac": 0.6},
        {"steps": 1, "refiner_steps": 1, "high_noise_frac": 0.8},
        {"steps": 5, "refiner_steps": 20, "high_noise_frac": 0.99},
        {"steps": 4, "refiner_steps": 3, "high_noise_frac": 0.05},
        {"steps": 10, "refiner_steps": 10, "high_noise_frac": 0.699},  # a timestep on the boundary: 301
        {"guidance_scale": 1.0},
        {"guidance_scale": 0.0},
        {"negative_prompt": ""},
        {"prompt": ""},
        {"prompt": "Zürich 東京 🎨 " * 2},
        {"width": 136, "height": 72},
        {"seed": 2**63 - 1},
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "noise_scheduler", ["EulerAncestralDiscreteScheduler", "PNDMScheduler", "Heun", "KDPM2 Karras"]
)
def test_odd_requests_are_diffusers_to_the_bit(darkroom, reference, noise_scheduler, changes):
    request = request_for(noise_scheduler=noise_scheduler, **changes)
    assert torch.equal(darkroom.final_latents(request), reference.draw(request, request.seed))


def test_pixels_are_diffusers(darkroom, reference):
    request = request_for(width=128)
    events = darkroom.draw(request)
    (done,) = [event for event in events if isinstance(event, SampleDone)]
    expected = reference.draw(request, request.seed, output_type="np")[0]
    assert done.rgb == (expected * 255).round().astype(np.uint8).tobytes()
    assert len(set(done.rgb)) > 50, "a flat picture would prove nothing"


def test_sixty_steps_at_four_fifths_are_47_in_base_and_20_give_4_in_the_refiner(darkroom):
    events = darkroom.draw(request_for(steps=60, refiner_steps=20, high_noise_frac=0.8))
    assert phases(events) == {Phase.BASE: 47, Phase.REFINER: 4}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"steps": 1, "refiner_steps": 1, "high_noise_frac": 0.8}, {Phase.REFINER: 1}),
        ({"steps": 30, "refiner_steps": 30, "high_noise_frac": 0.8}, {Phase.BASE: 23, Phase.REFINER: 7}),
        ({"high_noise_frac": 1.0}, {Phase.BASE: 6}),
        ({"high_noise_frac": 1}, {Phase.BASE: 6}),
        ({"use_refiner": False, "high_noise_frac": 0.5}, {Phase.BASE: 6}),
        (
            {"steps": 40, "refiner_steps": 40, "high_noise_frac": 0.8, "noise_scheduler": "PNDMScheduler"},
            {Phase.BASE: 33, Phase.REFINER: 8},
        ),
    ],
    ids=str,
)
def test_each_expert_runs_its_part(darkroom, changes, expected):
    assert phases(darkroom.draw(request_for(**changes))) == expected


def test_an_integer_fraction_of_one_means_the_base_alone(darkroom, reference):
    request = request_for(high_noise_frac=1)
    alone = request_for(use_refiner=False)
    assert torch.equal(darkroom.final_latents(request), reference.draw(alone, alone.seed))


def test_without_a_loaded_refiner_the_base_runs_alone_and_says_so(miniature, reference):
    request = request_for()
    room = Darkroom(miniature, with_refiner=False)
    events = room.draw(request)
    assert any(isinstance(event, LogLine) and "refiner" in event.line for event in events)
    assert torch.equal(room.latents["g1", 0], reference.draw(request_for(use_refiner=False), request.seed))


# ── samples ──────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("noise_scheduler", ["EulerAncestralDiscreteScheduler", "LMSDiscreteScheduler"])
def test_each_sample_equals_a_run_of_its_own(darkroom, reference, noise_scheduler):
    pair = request_for(samples=2, noise_scheduler=noise_scheduler)
    darkroom.draw(pair)
    for sample in range(2):
        expected = reference.draw(pair, pair.seed + sample)
        assert torch.equal(darkroom.latents["g1", sample], expected)


def test_seeds_wrap_around_at_two_to_the_63(darkroom, reference):
    darkroom.draw(request_for(samples=2, seed=2**63 - 1))
    assert torch.equal(darkroom.latents["g1", 1], reference.draw(request_for(), 0))


def test_a_picture_doesnt_depend_on_what_was_drawn_before_or_waits_behind(darkroom, miniature):
    request = request_for("mine", noise_scheduler="DPMSolverMultistepScheduler")
    alone = Darkroom(miniature).final_latents(request)
    darkroom.engine.admit(request_for("before", loras=(miniature.lora_use(0.7),), guidance_scale=9.0))
    darkroom.engine.admit(request)
    darkroom.engine.admit(request_for("behind", noise_scheduler="DDPMScheduler"))
    while darkroom.engine.busy:
        darkroom.engine.step()
    assert torch.equal(darkroom.latents["mine", 0], alone)


# ── LoRA ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
def close(one: torch.Tensor, other: torch.Tensor) -> bool:
    return torch.allclose(one, other, rtol=0, atol=LORA_TOLERANCE)


def with_lora(reference: Reference, uses: list[LoraUse], request: GenerationRequest) -> torch.Tensor:
    for use in uses:
        path = Path(use.path)
        reference.base.load_lora_weights(
            path.parent, weight_name=path.name, adapter_name=use.name.replace(".", "_"), local_files_only=True
        )
    reference.base.set_adapters([use.name.replace(".", "_") for use in uses], [use.weight for use in uses])
    return reference.draw(request, request.seed)


@pytest.mark.parametrize("use_refiner", [False, True], ids=["base", "refined"])
@pytest.mark.parametrize("weight", [1.0, 0.4, -0.5])
def test_a_lora_draws_what_diffusers_draws(darkroom, miniature, weight, use_refiner):
    plain = request_for(use_refiner=use_refiner)
    request = request_for(use_refiner=use_refiner, loras=(miniature.lora_use(weight),))
    drawn = darkroom.final_latents(request)
    expected = with_lora(Reference(miniature), [miniature.lora_use(weight)], request)
    assert close(drawn, expected)
    assert not torch.allclose(drawn, darkroom.final_latents(plain), rtol=0, atol=0.1), "the LoRA must show"


@pytest.mark.filterwarnings("ignore:Already found a `peft_config` attribute:UserWarning")  # that is diffusers' way
def test_two_loras_draw_what_diffusers_draws_in_whatever_order_they_come(darkroom, miniature, tmp_path):
    second = LoraUse(name="Another", path=str(tmp_path / "another.safetensors"), weight=0.5)
    noisy = {
        key: value if key.endswith(".alpha") else value.flip(0) for key, value in load_file(miniature.lora).items()
    }
    save_file(noisy, second.path)
    first = miniature.lora_use(0.8)
    drawn = darkroom.final_latents(request_for(loras=(first, second)))
    again = darkroom.final_latents(request_for(loras=(second, first)))
    assert torch.equal(drawn, again)
    assert close(drawn, with_lora(Reference(miniature), [second, first], request_for()))


@pytest.mark.parametrize("component", ["lora_unet", "lora_te1", "lora_te2"])
def test_each_component_of_a_lora_shows_as_in_diffusers(darkroom, miniature, tmp_path, component):
    part = {key: value for key, value in load_file(miniature.lora).items() if key.startswith(component)}
    use = LoraUse(name="Part", path=str(tmp_path / "part.safetensors"), weight=1.0)
    save_file(part, use.path)
    drawn = darkroom.final_latents(request_for(loras=(use,)))
    assert close(drawn, with_lora(Reference(miniature), [use], request_for()))
    assert not close(drawn, darkroom.final_latents(request_for()))


def test_a_diffusers_lora_file_with_its_alpha_draws_what_diffusers_draws(darkroom, miniature, tmp_path):
    trained = Reference(miniature).base
    weights, _alphas = trained.lora_state_dict(load_file(miniature.lora), unet_config=trained.unet.config)
    unet = diffusers.utils.convert_unet_state_dict_to_peft(
        {key.removeprefix("unet."): value for key, value in weights.items() if key.startswith("unet.")}
    )
    settings = {"r": 4, "lora_alpha": 6, "target_modules": sorted({key.split(".lora_")[0] for key in unet})}
    StableDiffusionXLPipeline.save_lora_weights(
        tmp_path, unet_lora_layers=unet, unet_lora_adapter_metadata=settings, weight_name="peft.safetensors"
    )
    use = LoraUse(name="Peft", path=str(tmp_path / "peft.safetensors"), weight=0.5)
    drawn = darkroom.final_latents(request_for(loras=(use,)))
    assert close(drawn, with_lora(Reference(miniature), [use], request_for()))


def test_a_lora_of_weight_zero_changes_nothing(darkroom, miniature):
    plain = darkroom.final_latents(request_for())
    assert torch.equal(darkroom.final_latents(request_for(loras=(miniature.lora_use(0.0),))), plain)


def test_a_run_after_one_with_lora_is_bit_equal_to_one_before(miniature):
    room = Darkroom(miniature)
    before = room.final_latents(request_for())
    with_lora_once = room.final_latents(request_for(loras=(miniature.lora_use(),)))
    assert torch.equal(room.final_latents(request_for()), before)
    assert torch.equal(room.final_latents(request_for(loras=(miniature.lora_use(),))), with_lora_once)


def test_the_refiner_never_sees_a_lora(darkroom, reference, miniature):
    """With no base step, all that a LoRA could reach is the text encoder that both experts share."""
    request = request_for(steps=1, high_noise_frac=0.8, loras=(miniature.lora_use(),))
    assert phases(darkroom.draw(request)) == {Phase.REFINER: 2}
    assert torch.equal(darkroom.final_latents(request), reference.draw(request_for(steps=1, high_noise_frac=0.8), 7))


def spoil(weights: dict[str, torch.Tensor], how: str) -> dict[str, torch.Tensor]:
    te2 = next(key for key in weights if key.startswith("lora_te2") and key.endswith("lora_up.weight"))
    match how:
        case "another shape":
            weights[te2] = torch.zeros(7, 4)
        case "half a pair":
            del weights[te2]
        case "not a number":
            weights[te2] = weights[te2] * float("nan")
        case "dora":
            weights[te2.replace("lora_up.weight", "dora_scale")] = torch.zeros(4)
        case "foreign keys":
            return {"model.diffusion_model.weight": torch.zeros(4)}
        case _:
            weights.clear()
    return weights


@pytest.mark.parametrize("how", ["another shape", "half a pair", "not a number", "dora", "foreign keys", "nothing"])
def test_a_lora_that_doesnt_fit_fails_and_leaves_no_trace(darkroom, miniature, tmp_path, how):
    before = darkroom.final_latents(request_for())
    use = LoraUse(name="Spoilt", path=str(tmp_path / "spoilt.safetensors"), weight=1.0)
    save_file(spoil(load_file(miniature.lora), how), use.path)
    events = darkroom.draw(request_for("bad", loras=(miniature.lora_use(), use)))
    assert isinstance(events[-1], Failed)
    assert "Spoilt" in events[-1].reason
    assert torch.equal(darkroom.final_latents(request_for()), before)


def test_layers_that_the_base_lacks_are_left_out_and_said(darkroom, miniature, tmp_path):
    plain = darkroom.final_latents(request_for(loras=(miniature.lora_use(),)))
    weights = load_file(miniature.lora)
    for part in ("lora_down", "lora_up"):
        weights[f"lora_te2_no_such_layer.{part}.weight"] = torch.zeros(4, 4)
    layers = sum(key.endswith(".lora_up.weight") for key in weights)
    use = LoraUse(name="More", path=str(tmp_path / "more.safetensors"), weight=1.0)
    save_file(weights, use.path)
    events = darkroom.draw(request_for("more", loras=(use,)))
    said = [event.line for event in events if isinstance(event, LogLine)]
    assert said == [f"LoRA More: {layers - 1} of {layers} layers fit this model; 1 was left out."]
    assert torch.equal(darkroom.latents["more", 0], plain)


def test_a_lora_may_weigh_otherwise_in_the_text_encoders(darkroom, miniature, tmp_path):
    """As if it were two files, one for the UNet and one for the text encoders."""
    weights = load_file(miniature.lora)
    uses = []
    for name, weight in (("lora_unet", 0.5), ("lora_te", 1.5)):
        part = {key: value for key, value in weights.items() if key.startswith(name)}
        uses.append(LoraUse(name=name, path=str(tmp_path / f"{name}.safetensors"), weight=weight))
        save_file(part, uses[-1].path)
    apart = darkroom.final_latents(request_for(loras=tuple(uses)))
    whole = LoraUse(name="Whole", path=str(miniature.lora), weight=0.5, text_encoder_weight=1.5)
    assert torch.equal(darkroom.final_latents(request_for(loras=(whole,))), apart)
    assert not torch.equal(darkroom.final_latents(request_for(loras=(miniature.lora_use(0.5),))), apart)


def test_a_lora_file_that_is_missing_or_a_pickle_fails(darkroom, tmp_path):
    pickle = tmp_path / "pickle.safetensors"
    torch.save({"lora_unet_x.lora_up.weight": torch.zeros(2)}, pickle)
    for path in (tmp_path / "missing.safetensors", pickle, tmp_path):
        events = darkroom.draw(request_for(loras=(LoraUse(name="Gone", path=str(path), weight=1.0),)))
        assert isinstance(events[-1], Failed)
        assert events[-1].reason.startswith("LoRA Gone can't be used")


def test_a_lora_that_makes_the_latents_infinite_fails_and_leaves_no_trace(darkroom, miniature):
    before = darkroom.final_latents(request_for())
    events = darkroom.draw(request_for(loras=(miniature.lora_use(1e38),)))
    assert isinstance(events[-1], Failed)
    assert "finite" in events[-1].reason
    assert torch.equal(darkroom.final_latents(request_for()), before)


# ── the miniature ────────────────────────────────────────────────────────────────────────────────────────────────────
def test_the_miniature_is_what_diffusers_loads(miniature, reference):
    index = json.loads((miniature.refiner / "model_index.json").read_text())
    assert index["requires_aesthetics_score"] is True
    assert reference.refiner.config.requires_aesthetics_score is True
    assert reference.base.vae_scale_factor == 8
    assert not [path for path in miniature.folder.rglob("*") if path.suffix in {".bin", ".ckpt", ".pt"}]


def test_finished_is_the_last_word(darkroom):
    assert isinstance(darkroom.draw(request_for())[-1], Finished)
