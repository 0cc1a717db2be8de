"""The names LoRA trainers give to tensors: kohya's and LyCORIS', diffusers' old and new ones, PEFT's.

A LoRA file is a heap of tensors. Those that belong to one layer share a *unit*, the layer's name as the trainer writes
it; what is left of the name says which *part* of the layer's change the tensor is.
"""

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Final

UNET: Final = "unet"
TEXT_ENCODER: Final = "text_encoder"
TEXT_ENCODER_2: Final = "text_encoder_2"
COMPONENTS: Final = (UNET, TEXT_ENCODER, TEXT_ENCODER_2)


class Part(StrEnum):
    """What a tensor is to its layer."""

    DOWN = "down"
    UP = "up"
    ALPHA = "alpha"
    DORA = "dora"


_SUFFIXES: Final[Mapping[str, Part]] = {
    ".lora_down.weight": Part.DOWN,
    ".lora_up.weight": Part.UP,
    ".lora_A.weight": Part.DOWN,
    ".lora_B.weight": Part.UP,
    ".lora.down.weight": Part.DOWN,
    ".lora.up.weight": Part.UP,
    ".lora_linear_layer.down.weight": Part.DOWN,
    ".lora_linear_layer.up.weight": Part.UP,
    "_lora.down.weight": Part.DOWN,
    "_lora.up.weight": Part.UP,
    ".alpha": Part.ALPHA,
    ".dora_scale": Part.DORA,
    ".lora_magnitude_vector.weight": Part.DORA,
    ".lora_magnitude_vector": Part.DORA,
}

# Other ways to change weights, by what gives them away in a name.
_OTHER_KINDS: Final[Mapping[str, str]] = {
    r"\.lokr_": "LoKr",
    r"\.hada_": "LoHa",
    r"\.(?:oft_|oft_diag|boft_)": "OFT",
    r"\.(?:a1|a2|b1|b2)\.weight$": "GLoRA",
    r"\.on_input$": "IA³",
    r"\.diff(?:_b)?$": "full weight differences",
    r"\.lora_mid\.": "LoCon with Tucker decomposition",
    r"\.lora_[AB]\.bias$": "LoRA with biases",
}
# `to_q_lora` sits beside the projection, and is named by q, k, v and out wherever it is
_OLD_ATTENTION: Final[Mapping[str, str]] = {
    ".to_out.0": ".to_out",
    ".q_proj": ".to_q",
    ".k_proj": ".to_k",
    ".v_proj": ".to_v",
    ".out_proj": ".to_out",
}
_KOHYA_PREFIXES: Final[Mapping[str, str]] = {
    "lora_unet_": UNET,
    "lora_te1_": TEXT_ENCODER,
    "lora_te2_": TEXT_ENCODER_2,
    "lora_te_": TEXT_ENCODER,
}
_TEXT_MODEL: Final = "text_model."


def split_key(key: str) -> tuple[str, Part] | None:
    """Split a tensor's name into unit and part; None for names no LoRA layer has."""
    for suffix, part in _SUFFIXES.items():
        if key.endswith(suffix):
            return key.removesuffix(suffix).removeprefix("base_model.model.").replace(".processor.", "."), part
    return None


def other_kind(keys: Iterable[str]) -> str | None:
    """Return how the file changes weights, where that is another way than LoRA's."""
    names = list(keys)
    found = (kind for pattern, kind in _OTHER_KINDS.items() if any(re.search(pattern, name) for name in names))
    return next(found, None)


def units_of(component: str, path: str, resnets_per_block: int) -> list[str]:
    """Return the units by which trainers name one layer, given its path in diffusers' or transformers' module.

    `resnets_per_block` is the UNet's `layers_per_block`: Stability's names count the blocks with it.
    """
    if component == UNET:
        paths = [path, *stability_paths(path, resnets_per_block)]
        dotted = [name for one in _spellings(path) for name in (f"{UNET}.{one}", one)]
        return [
            *dotted,
            *(f"diffusion_model.{one}" for one in paths),
            *(f"lora_unet_{one.replace('.', '_')}" for one in paths),
        ]
    bare = path.removeprefix(_TEXT_MODEL)
    paths = [bare, f"{_TEXT_MODEL}{bare}"]
    prefixes = [prefix for prefix, named in _KOHYA_PREFIXES.items() if named == component]
    return [
        *(f"{component}.{spelling}" for one in paths for spelling in _spellings(one)),
        *(f"{prefix}{one.replace('.', '_')}" for prefix in prefixes for one in paths),
    ]


def component_of(unit: str) -> str:
    """Say which component a unit is for, by its prefix alone; the UNet where it has none."""
    kohya = next((component for prefix, component in _KOHYA_PREFIXES.items() if unit.startswith(prefix)), None)
    head = unit.split(".", 1)[0]
    return kohya or (head if head in COMPONENTS else UNET)


def _spellings(path: str) -> list[str]:
    old = [path.removesuffix(end) + short for end, short in _OLD_ATTENTION.items() if path.endswith(end)]
    return [path, *old]


# ── Stability's names, by which kohya's trainer calls SDXL's layers ──────────────────────────────────────────────────
_RESNET: Final[Mapping[str, str]] = {
    "conv1": "in_layers.2",
    "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}
_OUTSIDE: Final[Mapping[str, str]] = {
    "conv_in": "input_blocks.0.0",
    "conv_out": "out.2",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
}


def stability_paths(path: str, resnets_per_block: int) -> list[str]:
    """Translate a UNet layer's path into Stability's naming: down_blocks.1.attentions.0.x → input_blocks.4.1.x.

    An upsampler sits behind its block's attention, or in its place: it has two names, of which a model knows one.
    """
    if path in _OUTSIDE:
        return [_OUTSIDE[path]]
    head, *rest = path.split(".")
    if head == "mid_block":
        kind, layer, *inner = rest
        place = "1" if kind == "attentions" else str(2 * int(layer))
        return [".".join(["middle_block", place, _inside(kind, inner)])]
    if head not in {"down_blocks", "up_blocks"}:
        return []
    block, kind, layer, *inner = rest
    down = head == "down_blocks"
    stem = "input_blocks" if down else "output_blocks"
    first = int(block) * (resnets_per_block + 1) + (1 if down else 0)
    if kind == "downsamplers":
        return [f"{stem}.{first + resnets_per_block}.0.op"]
    if kind == "upsamplers":
        return [f"{stem}.{first + resnets_per_block}.{place}.conv" for place in (1, 2)]
    place = "1" if kind == "attentions" else "0"
    return [f"{stem}.{first + int(layer)}.{place}.{_inside(kind, inner)}"]


def _inside(kind: str, inner: list[str]) -> str:
    name = ".".join(inner)
    return name if kind == "attentions" else _RESNET.get(name, name)
