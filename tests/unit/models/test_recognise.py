"""What weights are, told from their headers; what can't be drawn with is refused in one sentence."""

import json
import shutil

import pytest

from models.recognise import Role, Unusable, recognise
from models.shipped import miniature_weights
from tests.checkpoints import BASE, REFINER, SD_15, VAE, lora, write_tensors
from tests.weights import put


def pair(unit: str, inputs: int) -> dict[str, tuple[int, ...]]:
    return {f"{unit}.lora_down.weight": (4, inputs), f"{unit}.lora_up.weight": (640, 4)}


def refusal(path) -> str:
    with pytest.raises(Unusable) as refused:
        recognise(path)
    sentence = str(refused.value)
    assert sentence.endswith(".")
    assert str(path) in sentence
    return sentence


@pytest.fixture
def miniature(tmp_path):
    shutil.copytree(miniature_weights().base.parent, tmp_path / "miniature")
    return tmp_path / "miniature"


@pytest.mark.parametrize(
    ("tensors", "role", "words"),
    [
        (BASE, Role.BASE, "an SDXL base checkpoint"),
        (REFINER, Role.REFINER, "an SDXL refiner checkpoint"),
        (VAE, Role.VAE, "a VAE with four latent channels"),
        (
            {f"first_stage_model.{name}": shape for name, shape in VAE.items()},
            Role.VAE,
            "a VAE with four latent channels",
        ),
        (lora(2048), Role.LORA, "a LoRA: rank 4, SDXL base, 1 layer"),
        (
            pair("lora_te2_text_model_encoder_layers_0_mlp_fc1", 1280),
            Role.LORA,
            "a LoRA: rank 4, SDXL base, 1 layer",
        ),
        (
            {
                "unet.down_blocks.0.attentions.0.attn2.to_k.lora_A.weight": (8, 2048),
                "unet.down_blocks.0.attentions.0.attn2.to_k.lora_B.weight": (640, 8),
            },
            Role.LORA,
            "a LoRA: rank 8, SDXL base, 1 layer",
        ),
        (pair("lora_unet_output_blocks_0", 96), Role.LORA, "a LoRA: rank 4, a model that isn't known, 1 layer"),
    ],
)
def test_single_files(tmp_path, tensors, role, words):
    found = recognise(write_tensors(tmp_path / "x.safetensors", tensors))

    assert (found.role, found.words, found.files, found.standard) == (role, words, 1, True)
    assert found.size == (tmp_path / "x.safetensors").stat().st_size


def test_a_loras_words_are_told(tmp_path):
    path = write_tensors(tmp_path / "x.safetensors", lora(2048), {"modelspec.trigger_phrase": "ink wash"})

    assert recognise(path).words == "a LoRA: rank 4, SDXL base, 1 layer; its words: ink wash"


def test_other_sizes_than_sdxls_are_noticed(tmp_path):
    small = BASE | {"model.diffusion_model.input_blocks.0.0.weight": (48, 4, 3, 3)}

    assert not recognise(write_tensors(tmp_path / "x.safetensors", small)).standard


@pytest.mark.parametrize(
    ("tensors", "says"),
    [
        (SD_15, "is a checkpoint of SD 1.5, not of SDXL."),
        (
            SD_15 | {"model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (320, 1024)},
            "of SD 2,",
        ),
        (BASE | {"model.diffusion_model.input_blocks.0.0.weight": (320, 9, 3, 3)}, "is an inpainting checkpoint"),
        ({"model.diffusion_model.input_blocks.0.0.weight": (320, 4, 3, 3)}, "without text encoders"),
        ({name: shape for name, shape in BASE.items() if "first_stage" not in name}, "lacks its VAE"),
        ({name: shape for name, shape in BASE.items() if ".0.transformer" not in name}, "lacks its first text encoder"),
        (BASE | {"v_pred": ()}, "predicts velocities"),
        ({"model.diffusion_model.double_blocks.0.img_attn.qkv.weight": (9, 3)}, "of another model than SDXL"),
        ({"decoder.conv_in.weight": (512, 16, 3, 3)}, "is a VAE of another model"),
        (lora(768), "is a LoRA for Stable Diffusion 1, not for SDXL's base."),
        (lora(1024), "is a LoRA for Stable Diffusion 2, not for SDXL's base."),
        (lora(1280), "is a LoRA for SDXL refiner, not for SDXL's base."),
        (pair("lora_te_text_model_encoder_layers_0_mlp_fc1", 768), "is a LoRA for Stable Diffusion 1,"),
        (pair("lora_unet_double_blocks_0_img_attn_proj", 9), "is a LoRA for Flux,"),
        ({"lora_unet_mid.hada_w1_a": (4, 9)}, "it is of the kind LoHa, and only LoRA and DoRA can be used."),
        ({"lora_unet_a.lora_down.weight": (4, 9)}, "can't be used: its layer lora_unet_a has no up weight."),
        (
            {"emb_params": (1, 768)},
            "holds no checkpoint, LoRA or VAE that easel knows; its first tensor is emb_params.",
        ),
        ({}, "its first tensor is none at all."),
    ],
)
def test_what_cannot_be_drawn_with(tmp_path, tensors, says):
    assert says in refusal(write_tensors(tmp_path / "x.safetensors", tensors))


@pytest.mark.parametrize("suffix", [".ckpt", ".pt", ".pth", ".bin", ".CKPT"])
def test_pickles_are_refused_by_name(tmp_path, suffix):
    (tmp_path / f"x{suffix}").write_bytes(b"\x80\x02}q\x00.")

    assert "is a pickle, which can run programs" in refusal(tmp_path / f"x{suffix}")


def test_what_is_no_model(tmp_path):
    (tmp_path / "notes.txt").touch()
    (tmp_path / "empty").mkdir()

    assert "is no .safetensors file" in refusal(tmp_path / "notes.txt")
    assert "holds no model: there is no model_index.json in it" in refusal(tmp_path / "empty")
    assert "There is nothing at" in refusal(tmp_path / "nowhere")
    whole = write_tensors(tmp_path / "x.safetensors", BASE)
    whole.write_bytes(whole.read_bytes()[:-1])
    assert "can't be used: it is cut short: 1 of" in refusal(whole)


# ── folders ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_folders_in_diffusers_layout(miniature):
    base, refiner = recognise(miniature / "base"), recognise(miniature / "refiner")

    assert (base.role, base.words, base.files) == (Role.BASE, "an SDXL base in diffusers' layout", 4)
    assert (refiner.role, refiner.files) == (Role.REFINER, 3)
    assert recognise(miniature / "base" / "vae").role is Role.VAE
    assert recognise(miniature / "loras" / "Studio-Trigger.safetensors").role is Role.LORA


def test_folders_that_are_not_whole_or_not_sdxl(miniature):
    unet = miniature / "base" / "unet" / "diffusion_pytorch_model.safetensors"
    content = unet.read_bytes()
    unet.write_bytes(content[:-1])
    with pytest.raises(Unusable, match="safetensors can't be used: it is cut short"):
        recognise(miniature / "base")
    unet.rename(unet.with_suffix(".bin"))
    with pytest.raises(Unusable, match="unet holds pickles only"):
        recognise(miniature / "base")
    unet.with_suffix(".bin").unlink()
    assert "is not whole: there is no .safetensors file in" in refusal(miniature / "base")

    index = miniature / "refiner" / "model_index.json"
    index.write_text(json.dumps({"_class_name": "StableDiffusionPipeline"}))
    assert "is an SD 1.5 or SD 2 model, not SDXL" in refusal(miniature / "refiner")
    index.write_text("{")
    assert "can't be read as JSON" in refusal(index.parent)


def test_a_folder_of_configurations_alone_is_no_model(tmp_path):
    put(tmp_path / "x", ["model_index.json"])
    (tmp_path / "x" / "model_index.json").write_text('{"_class_name": "StableDiffusionXLPipeline"}')

    assert "is not whole" in refusal(tmp_path / "x")
