"""Single-file checkpoints draw what the folders draw that they were made from, offline."""

import socket
from pathlib import Path

import pytest
import torch
from accelerate import init_empty_weights
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import load_file, save_file

from models.shipped import miniature_weights
from models.weights import standard_config
from pipelines.contract import EngineDefunct, EngineEvent
from pipelines.expert_files import ExpertFiles
from pipelines.loading import load_weights
from pipelines.sdxl import SdxlEngine
from tests.original_layout import original_unet, original_vae, write_single_file
from tests.sdxl import request_for, run_dry

# diffusers turns tensors into arrays in a way that numpy 2 frowns on
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

SHIPPED = miniature_weights()
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def singles(tmp_path_factory) -> Path:
    """The miniature as ComfyUI would keep it."""
    folder = tmp_path_factory.mktemp("comfy")
    write_single_file(SHIPPED.base, folder / "checkpoints" / "base.safetensors")
    write_single_file(SHIPPED.refiner, folder / "checkpoints" / "refiner.safetensors")
    (folder / "vae").mkdir()
    save_file(
        {name: t.contiguous() for name, t in original_vae(SHIPPED.base / "vae").items()}, folder / "vae/v.safetensors"
    )
    return folder


def base_of(singles: Path, **more: Path) -> ExpertFiles:
    return ExpertFiles(singles / "checkpoints" / "base.safetensors", SHIPPED.base, **more)


def refiner_of(singles: Path) -> ExpertFiles:
    return ExpertFiles(singles / "checkpoints" / "refiner.safetensors", SHIPPED.refiner)


def draw(base, refiner) -> tuple[list[EngineEvent], list[torch.Tensor]]:
    latents: list[torch.Tensor] = []
    engine = SdxlEngine(base=base, refiner=refiner, threads=1, on_latents=lambda _g, _s, x: latents.append(x.clone()))
    engine.load(lambda _what, _fraction: None)
    engine.admit(request_for(width=128, height=128, prompt="a red heart"))
    return run_dry(engine), latents


def load(base, refiner):
    return load_weights(base, refiner, CPU, lambda _what, _fraction: None)


def test_single_files_draw_to_the_bit_what_the_folders_draw(singles):
    events, latents = draw(base_of(singles), refiner_of(singles))
    expected_events, expected = draw(SHIPPED.base, SHIPPED.refiner)

    assert len(latents) == 1
    assert torch.equal(latents[0], expected[0])
    assert events == expected_events  # pixels too


def test_nothing_is_asked_of_the_network(singles, monkeypatch):
    def refuse(*_args, **_kwargs):
        raise AssertionError("loading must not look anything up")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert load(base_of(singles), refiner_of(singles)).refiner is not None


@pytest.mark.parametrize("refiner_in_folder", [False, True])
def test_base_and_refiner_share_what_is_the_same(singles, refiner_in_folder):
    weights = load(base_of(singles), SHIPPED.refiner if refiner_in_folder else refiner_of(singles))

    assert weights.refiner.vae is weights.base.vae
    assert weights.refiner.text_stages[-1].text_encoder is weights.base.text_stages[-1].text_encoder


def test_a_refiner_with_another_vae_keeps_it(singles, tmp_path):
    tensors = load_file(singles / "checkpoints" / "refiner.safetensors")
    tensors["first_stage_model.decoder.conv_in.bias"] += 1
    save_file(tensors, tmp_path / "other.safetensors")
    weights = load(base_of(singles), ExpertFiles(tmp_path / "other.safetensors", SHIPPED.refiner))

    assert weights.refiner.vae is not weights.base.vae
    assert weights.refiner.text_stages[-1].text_encoder is weights.base.text_stages[-1].text_encoder


def test_the_file_is_not_held_open_nor_written_to(singles, tmp_path):
    copy = tmp_path / "base.safetensors"
    copy.write_bytes((singles / "checkpoints" / "base.safetensors").read_bytes())
    before = copy.read_bytes()
    weights = load(ExpertFiles(copy, SHIPPED.base), None)
    with torch.no_grad():
        weights.base.unet.conv_in.weight.add_(1)

    assert copy.read_bytes() == before
    copy.write_bytes(b"")
    assert torch.isfinite(weights.base.unet.conv_out.weight).all()


@pytest.mark.parametrize("single", [True, False])
def test_a_vae_of_its_own_decodes_for_both(singles, tmp_path, single):
    own = singles / "vae" / "v.safetensors" if single else SHIPPED.base / "vae"
    spoilt = load_file(singles / "checkpoints" / "base.safetensors")
    spoilt["first_stage_model.decoder.conv_in.bias"] += 1
    save_file(spoilt, tmp_path / "base.safetensors")
    base = ExpertFiles(tmp_path / "base.safetensors", SHIPPED.base, own)
    weights = load(base, ExpertFiles(singles / "checkpoints" / "refiner.safetensors", SHIPPED.refiner, own))

    assert weights.refiner.vae is weights.base.vae
    plain = load(SHIPPED.base, None).base.vae
    assert torch.equal(weights.base.vae.decoder.conv_in.bias, plain.decoder.conv_in.bias)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda t: t.pop("model.diffusion_model.out.2.bias"), "unet lacks 1 of 330 tensors, conv_out.bias among them"),
        (
            lambda t: t.update({"first_stage_model.decoder.conv_in.bias": torch.zeros(3)}),
            r"has decoder.conv_in.bias as \(3,\)",
        ),
        (lambda t: t.update({"model.diffusion_model.out.3.bias": torch.zeros(3)}), None),
    ],
)
def test_a_file_that_does_not_fit_its_configuration(singles, tmp_path, spoil, says):
    tensors = load_file(singles / "checkpoints" / "base.safetensors")
    spoil(tensors)
    save_file(tensors, tmp_path / "base.safetensors")
    engine = SdxlEngine(base=ExpertFiles(tmp_path / "base.safetensors", SHIPPED.base))

    if says is None:  # what belongs to no part of SDXL is left alone
        assert engine.load(lambda _what, _fraction: None)
        return
    with pytest.raises(EngineDefunct, match=says):
        engine.load(lambda _what, _fraction: None)


# ── the shipped configuration ────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("refiner", "blocks", "known"),
    [
        (False, 9, ("input_blocks.8.1.transformer_blocks.9.attn2.to_k.weight", (1280, 2048))),
        (True, 12, ("input_blocks.5.1.transformer_blocks.3.attn2.to_k.weight", (768, 1280))),
    ],
)
def test_sdxls_own_shapes_are_what_the_shipped_configuration_says(refiner, blocks, known):
    folder = standard_config(refiner=refiner)
    with init_empty_weights():
        unet = UNet2DConditionModel.from_config(UNet2DConditionModel.load_config(folder / "unet"))
        vae = AutoencoderKL.from_config(AutoencoderKL.load_config(folder / "vae"))
    names = original_unet(unet.state_dict(), 2)

    assert names["model.diffusion_model." + known[0]].shape == known[1]
    assert len({name.split(".")[3] for name in names if "input_blocks" in name}) == blocks
    assert sum(p.numel() for p in unet.parameters()) == (2_259_526_660 if refiner else 2_567_463_684)
    assert sum(p.numel() for p in vae.parameters()) == 83_653_863


def test_the_shipped_tokenizers_are_clips():
    from transformers import CLIPTokenizer  # noqa: PLC0415

    first = CLIPTokenizer.from_pretrained(standard_config(refiner=False) / "tokenizer", local_files_only=True)
    second = CLIPTokenizer.from_pretrained(standard_config(refiner=True) / "tokenizer_2", local_files_only=True)

    tokens = first("a photo of a cat", padding="max_length", max_length=9).input_ids
    assert tokens == [49406, 320, 1125, 539, 320, 2368, 49407, 49407, 49407]
    assert second("a photo of a cat", padding="max_length", max_length=9).input_ids == [*tokens[:7], 0, 0]
    assert len(first) == 49408
