"""A small real SDXL for tests: the true architecture with random weights, written in diffusers' layout.

Everything around the weights then runs for real, at every size: tokenizers, text encoders, base, refiner, VAE, LoRA.
Its pictures mean nothing.
"""

from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from tools.miniature.layout import LORA_NAME, model_index, scheduler_config, write_json
from tools.miniature.tokenizer import EOS, vocabulary_size, write_tokenizer

_TEXT = """
a abstract afternoon against air alley ancient and animal anime architecture around art artist astronaut at autumn
background beach bear beautiful bedroom behind bench bicycle bird black blue blurry boat book bottle bowl bridge bright
brown building bus by cabin cake camera candle canvas car castle cat chair charcoal child cinematic city clay cliff
clock close closeup cloud clouds coffee cold color colorful composition concept cottage cup dark day deep depth desert
detail detailed digital dog door dragon drawing dream dusk eagle evening eyes face fantasy farm field film fire fish
floating flower flowers fog forest fox from fruit futuristic garden girl glass gold golden gothic grass green grey hair
hand hands harbor hat high highly hill home horse house ice illustration in ink interior island isometric japanese
kitchen knight lake lamp landscape lantern large leaf leather lens light lighthouse lighting line little low macro man
map marble market masterpiece meadow metal misty minimal modern moon morning mountain mountains music near neon night
no ocean of oil old on orange owl painted painting palace paper park pastel path pencil person photo photograph
photorealistic pink plant portrait poster purple quality quiet rain rainbow realistic red render resolution retro ring
river road robot rock roof room rose ruins sand sculpture sea seaside sharp ship shop simple sitting sketch sky small
smile smoke snow snowy soft space spring sports stairs standing star stars statue steampunk still stone storm street
studio style summer sun sunlight sunrise sunset surreal table tea temple text texture the three tiger tiny to tower
town toy train tree trees trending trigger two ugly under umbrella valley vase very vibrant view village vintage violet
wall walking warm water watercolor waterfall waves wearing white wide wild wind window winter with wizard wolf woman
wood wooden woods worst yellow young
"""
WORDS = _TEXT.split()
LORA_RANK = 4
LORA_ALPHA = 2.0

_WIDTH_1, _WIDTH_2, _PROJECTION, _TIME_EMBEDDING = 16, 32, 32, 8


def write_random_sdxl(folder: Path, seed: int = 0) -> None:
    """Write `base/`, `refiner/` and `loras/Studio-Trigger.safetensors` into `folder`, the same bytes for a seed.

    Raises:
        FileExistsError: `folder` already holds one.
    """
    base, refiner = folder / "base", folder / "refiner"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        text_encoder = CLIPTextModel(_text_config(_WIDTH_1, "quick_gelu"))
        text_encoder_2 = CLIPTextModelWithProjection(_text_config(_WIDTH_2, "gelu"))
        unet, refiner_unet, vae = _base_unet(), _refiner_unet(), _vae()
        lora = _lora_weights(text_encoder, text_encoder_2, unet)
    for expert, its_unet in ((base, unet), (refiner, refiner_unet)):
        write_tokenizer(expert / "tokenizer_2", "!", WORDS)
        text_encoder_2.save_pretrained(expert / "text_encoder_2")
        its_unet.save_pretrained(expert / "unet")
        vae.save_pretrained(expert / "vae")
        write_json(expert / "scheduler" / "scheduler_config.json", scheduler_config())
    write_tokenizer(base / "tokenizer", EOS, WORDS)
    text_encoder.save_pretrained(base / "text_encoder")
    write_json(base / "model_index.json", model_index(is_refiner=False))
    write_json(refiner / "model_index.json", model_index(is_refiner=True))
    (folder / "loras").mkdir()
    save_file(lora, folder / "loras" / f"{LORA_NAME}.safetensors", metadata={"ss_network_module": "networks.lora"})


def _text_config(width: int, activation: str) -> CLIPTextConfig:
    # bos and eos ids as SDXL's files have them: 2 means "the highest id", which is where CLIP pools
    return CLIPTextConfig(
        vocab_size=vocabulary_size(WORDS),
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=3,
        num_attention_heads=2,
        projection_dim=_PROJECTION,
        hidden_act=activation,
        bos_token_id=0,
        eos_token_id=2,
        pad_token_id=1,
    )


# Block for block SDXL's, but for `only_cross_attention` where the latents are halved once: there attn1 reads the prompt
# as attn2 does, since self-attention over 4096 places would be three quarters of the time of a 1024 × 1024 picture.
def _base_unet() -> UNet2DConditionModel:
    return _unet(
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=(4, 8, 16),
        transformer_layers_per_block=1,
        attention_head_dim=1,
        only_cross_attention=(False, True, False),
        cross_attention_dim=_WIDTH_1 + _WIDTH_2,
        projection_class_embeddings_input_dim=6 * _TIME_EMBEDDING + _PROJECTION,
    )


def _refiner_unet() -> UNet2DConditionModel:
    return _unet(
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=(4, 8, 16, 16),
        transformer_layers_per_block=1,
        attention_head_dim=1,
        only_cross_attention=(False, True, False, False),
        cross_attention_dim=_WIDTH_2,
        projection_class_embeddings_input_dim=5 * _TIME_EMBEDDING + _PROJECTION,
    )


def _unet(**config: Any) -> UNet2DConditionModel:
    unet = UNet2DConditionModel(
        sample_size=128,
        layers_per_block=1,
        norm_num_groups=4,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=_TIME_EMBEDDING,
        **config,
    )
    # a trained UNet predicts noise of variance one; a random one whispers, and the prompt would not show
    unet.conv_out.weight.data.mul_(2.5)
    return unet


def _vae() -> AutoencoderKL:
    config: dict[str, Any] = {
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
        "block_out_channels": (4, 8, 8, 8),
        "layers_per_block": 1,
        "norm_num_groups": 4,
        "latent_channels": 4,
        "sample_size": 1024,
        "scaling_factor": 0.13025,
        "force_upcast": True,
    }
    return AutoencoderKL(**config)


def _lora_weights(
    text_encoder: CLIPTextModel, text_encoder_2: CLIPTextModelWithProjection, unet: UNet2DConditionModel
) -> dict[str, torch.Tensor]:
    """Random LoRA weights with a visible effect, named as kohya's trainer names them for SDXL."""
    weights: dict[str, torch.Tensor] = {}
    for prefix, encoder in (("lora_te1", text_encoder), ("lora_te2", text_encoder_2)):
        for name, module in encoder.named_modules():
            if isinstance(module, torch.nn.Linear) and "encoder.layers" in name:
                path = "text_model." + name.removeprefix("text_model.")
                weights |= _lora_layer(f"{prefix}_{path.replace('.', '_')}", module)
    for name, module in unet.named_modules():
        if isinstance(module, torch.nn.Linear) and ".attentions." in name:
            weights |= _lora_layer(f"lora_unet_{_sgm_name(name).replace('.', '_')}", module)
    return weights


def _lora_layer(name: str, layer: torch.nn.Linear) -> dict[str, torch.Tensor]:
    down = torch.randn(LORA_RANK, layer.in_features) / layer.in_features**0.5
    up = torch.randn(layer.out_features, LORA_RANK) / LORA_RANK**0.5
    alpha = torch.tensor(LORA_ALPHA)
    return {f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up, f"{name}.alpha": alpha}


def _sgm_name(name: str) -> str:
    """Stability's name for an attention layer: down_blocks.1.attentions.0.x → input_blocks.3.1.x."""
    kind, *rest = name.split(".")
    if kind == "mid_block":
        return ".".join(["middle_block", "1", *rest[2:]])
    block, _, layer, *rest = rest
    if kind == "down_blocks":
        return ".".join(["input_blocks", str(1 + 2 * int(block) + int(layer)), "1", *rest])
    return ".".join(["output_blocks", str(2 * int(block) + int(layer)), "1", *rest])
