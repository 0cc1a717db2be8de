"""Writing what was trained as real SDXL comes: folders of diffusers' layout, safetensors in float16."""

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import nn

from tools.miniature.text import load_tokenizers
from tools.miniature.train_lora import finished_lora
from tools.miniature.train_refiner import finished_refiner
from tools.miniature.train_unet import finished_base
from tools.miniature.train_vae import finished_vae

LORA_NAME = "Studio-Trigger"


def write_model(training: Path, folder: Path) -> None:
    """Write `base/`, and `refiner/` and `loras/` as far as they are trained, anew; leave what else `folder` holds."""
    load_tokenizers(training / "tokenizers")
    base, vae = finished_base(training), finished_vae(training)
    encoder_2 = base.encoders.text_encoder_2
    experts: dict[str, nn.Module] = {"base": base.unet}
    if (training / "refiner" / "checkpoint.pt").exists():
        experts["refiner"] = finished_refiner(training)
    lora = finished_lora(training) if (training / "lora" / "checkpoint.pt").exists() else None
    # only now: what `folder` holds may be what parts of it were read from
    for part in ("base", "refiner", "loras"):
        shutil.rmtree(folder / part, ignore_errors=True)
    for name, unet in experts.items():
        for part, module in {"unet": unet, "vae": vae, "text_encoder_2": encoder_2}.items():
            _save(module, folder / name / part)
        shutil.copytree(training / "tokenizers" / "tokenizer_2", folder / name / "tokenizer_2")
        write_json(folder / name / "scheduler" / "scheduler_config.json", scheduler_config())
        write_json(folder / name / "model_index.json", model_index(is_refiner=name == "refiner"))
    _save(base.encoders.text_encoder, folder / "base" / "text_encoder")
    shutil.copytree(training / "tokenizers" / "tokenizer", folder / "base" / "tokenizer")
    if lora is not None:
        (folder / "loras").mkdir()
        save_file(lora, folder / "loras" / f"{LORA_NAME}.safetensors", metadata={"format": "pt"})


def scheduler_config() -> dict[str, Any]:
    """The file that Stability AI ships with both experts."""
    return {
        "_class_name": "EulerDiscreteScheduler",
        "_diffusers_version": "0.19.0.dev0",
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "beta_start": 0.00085,
        "clip_sample": False,
        "interpolation_type": "linear",
        "num_train_timesteps": 1000,
        "prediction_type": "epsilon",
        "sample_max_value": 1.0,
        "set_alpha_to_one": False,
        "skip_prk_steps": True,
        "steps_offset": 1,
        "timestep_spacing": "leading",
        "trained_betas": None,
        "use_karras_sigmas": False,
    }


def _save(module: Any, folder: Path) -> None:
    module.half().save_pretrained(folder)
    module.float()


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a configuration file, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def model_index(*, is_refiner: bool) -> dict[str, Any]:
    """Which class each part of an expert is of, as Stability AI's file says it."""
    absent = [None, None]
    return {
        "_class_name": "StableDiffusionXLImg2ImgPipeline" if is_refiner else "StableDiffusionXLPipeline",
        "_diffusers_version": "0.19.0.dev0",
        "force_zeros_for_empty_prompt": not is_refiner,
        **({"requires_aesthetics_score": True} if is_refiner else {}),
        "add_watermarker": None,
        "feature_extractor": absent,
        "image_encoder": absent,
        "scheduler": ["diffusers", "EulerDiscreteScheduler"],
        "text_encoder": absent if is_refiner else ["transformers", "CLIPTextModel"],
        "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
        "tokenizer": absent if is_refiner else ["transformers", "CLIPTokenizer"],
        "tokenizer_2": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }


def main() -> None:
    """Export from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("data/training"))
    parser.add_argument("--to", type=Path, default=Path("data/training/model"))
    options = parser.parse_args()
    write_model(options.folder, options.to)


if __name__ == "__main__":
    main()
