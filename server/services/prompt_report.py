"""The prompt report: how a prompt is read, told before or after it is drawn."""

from collections.abc import Sequence
from typing import Final

from models.chunks import Chunked, Tokenize, cut_into_chunks
from models.emphasis import Section, Segment, read_emphasis
from models.prompt import Prompt
from pipelines.contract import LoraUse
from server.domain.types import JsonObject, JsonValue

MOST_WEIGHTS: Final = 50
_SHOWN_CHARACTERS: Final = 60


def prompt_report(
    prompt: Prompt,
    negative: Prompt,
    *,
    guided: bool,
    used: Sequence[LoraUse],
    unknown: Sequence[str],
    tokenizers: Sequence[Tokenize],
) -> JsonObject:
    """Return what was read in a prompt: tokens in each chunk, weights, BREAKs, LoRAs.

    Without guidance the negative prompt is not drawn, and takes no chunks. Without tokenizers nothing is said about
    tokens and chunks. Lists are bounded, and texts are cut.

    Args:
        prompt: what `split_lora_tags` made of it.
        negative: the negative prompt, likewise; its LoRA tags are not used.
        guided: whether the guidance scale is above 1.
        used: LoRAs that are drawn with: the card's, and those of the tags.
        unknown: names of LoRAs that are not installed.
        tokenizers: of the base's text encoders.
    """
    read = [read_emphasis(each.text) for each in (prompt, negative)]
    cut = [cut_into_chunks(sections, tokenizers) if tokenizers else None for sections in read]
    report: dict[str, JsonValue] = {
        "prompt": _text_report(read[0], cut[0]),
        "negativePrompt": _text_report(read[1], cut[1]),
        "loras": {
            "used": [_used(lora) for lora in used],
            "unknown": [_shown(name) for name in unknown],
            "dropped": list(prompt.dropped),
        },
    }
    drawn = [len(each.tokens) for each in cut[: 1 + guided] if each]
    return report | {"chunks": max(drawn)} if drawn else report


def _text_report(sections: Sequence[Section], cut: Chunked | None) -> JsonObject:
    weighted = [segment for section in sections for segment in section if segment.weight != 1 and segment.text.strip()]
    report: dict[str, JsonValue] = {
        "weights": [_weight(segment) for segment in weighted[:MOST_WEIGHTS]],
        "breaks": len(sections) - 1,
    }
    return report | {"tokens": list(cut.tokens), "leftOut": cut.left_out} if cut else report


def _weight(segment: Segment) -> JsonObject:
    return {"text": _shown(segment.text.strip()), "weight": round(segment.weight, 4)}


def _used(lora: LoraUse) -> JsonObject:
    of_text = lora.weight if lora.text_encoder_weight is None else lora.text_encoder_weight
    return {"name": lora.name, "weight": lora.weight, "textEncoderWeight": of_text}


def _shown(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"
