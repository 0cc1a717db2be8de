"""From prompts to what conditions a UNet, as diffusers' `encode_prompt` and `_get_add_time_ids` do it.

An empty negative prompt is the encoded empty string, not diffusers' zeros for `None`: a request always states one, and
both experts then read it alike.
"""

from dataclasses import dataclass
from typing import Final

import torch
from transformers import CLIPTokenizer

from pipelines.loading import Expert, TextStage

AESTHETIC_SCORE: Final = 6.0
NEGATIVE_AESTHETIC_SCORE: Final = 2.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditioning:
    """What one UNet forward is conditioned on; rows are (negative, positive), or (positive,) without guidance.

    prompt_embeds: (rows, 77, cross_attention_dim). text_embeds: (rows, projection_dim), the pooled prompt.
    time_ids: (rows, 6) pixels (original height and width, crop, target height and width), or (rows, 5) with an
    aesthetic score in place of the target size.
    """

    prompt_embeds: torch.Tensor
    text_embeds: torch.Tensor
    time_ids: torch.Tensor


def encode(expert: Expert, *, prompt: str, negative_prompt: str, width: int, height: int, guided: bool) -> Conditioning:
    """Encode for `expert` with whatever weights its text encoders hold now. Text beyond 77 tokens is cut off."""
    prompts = (negative_prompt, prompt) if guided else (prompt,)
    # one row at a time, as diffusers does: two rows at once would differ in the last bits
    rows = [_encode_text(expert.text_stages, text) for text in prompts]
    prompt_embeds = torch.cat([embeds for embeds, _ in rows])
    scores = (NEGATIVE_AESTHETIC_SCORE, AESTHETIC_SCORE)[-len(rows) :]
    time_ids = [_time_ids(expert, score, width=width, height=height) for score in scores]
    return Conditioning(
        prompt_embeds=prompt_embeds,
        text_embeds=torch.cat([pooled for _, pooled in rows]),
        time_ids=torch.tensor(time_ids, dtype=prompt_embeds.dtype).to(prompt_embeds.device),
    )


def tokens_lost(expert: Expert, text: str) -> int:
    """How many tokens of `text` lie beyond what the text encoders read."""
    return max(_overflow(stage.tokenizer, text) for stage in expert.text_stages)


def _overflow(tokenizer: CLIPTokenizer, text: str) -> int:
    # verbose would warn of the very length that is being measured
    return max(0, len(tokenizer(text, verbose=False).input_ids) - tokenizer.model_max_length)


def _encode_text(stages: tuple[TextStage, ...], text: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (1, 77, sum of widths) and the last stage's pooled (1, projection_dim)."""
    hidden: list[torch.Tensor] = []
    pooled = torch.empty(0)
    for stage in stages:
        tokens = stage.tokenizer(
            text,
            padding="max_length",
            max_length=stage.tokenizer.model_max_length,
            truncation=True,
            return_tensors="pt",
        )
        output = stage.text_encoder(tokens.input_ids.to(stage.text_encoder.device), output_hidden_states=True)
        hidden.append(output.hidden_states[-2])
        pooled = output[0]
    return torch.concat(hidden, dim=-1).to(stages[-1].text_encoder.dtype), pooled


def _time_ids(expert: Expert, aesthetic_score: float, *, width: int, height: int) -> list[float]:
    last = [aesthetic_score] if expert.requires_aesthetics_score else [height, width]
    return [height, width, 0, 0, *last]
