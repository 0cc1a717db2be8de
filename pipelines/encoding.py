"""From prompts to what conditions a UNet, as diffusers' `encode_prompt` and `_get_add_time_ids` do it.

A prompt that fits one chunk and has no syntax gives diffusers' embeddings to the bit. Longer ones are chunks of 77,
side by side on the sequence axis; the shorter of prompt and negative prompt is filled up with encoded empty chunks. The
pooled embedding is that of the first chunk, in the last text encoder.

An empty negative prompt is the encoded empty string, not diffusers' zeros for `None`: a request always states one, and
both experts then read it alike.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias

import torch
from transformers import CLIPTokenizer

from models.chunks import CHUNK_TOKENS, Chunk, Chunked, Token, cut_into_chunks
from models.emphasis import read_emphasis
from pipelines.embedding_cache import EmbeddingCache, Embeddings
from pipelines.loading import Expert, TextStage
from pipelines.lora import LoraSet

AESTHETIC_SCORE: Final = 6.0
NEGATIVE_AESTHETIC_SCORE: Final = 2.5

_MOST_RESTORED: Final = 2.0

Dress: TypeAlias = Callable[[LoraSet], None]
"""Gives the text encoders the weights of a LoRA set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditioning:
    """What one UNet forward is conditioned on; rows are (negative, positive), or (positive,) without guidance.

    prompt_embeds: (rows, 77 × chunks, cross_attention_dim). text_embeds: (rows, projection_dim), the pooled prompt.
    time_ids: (rows, 6) pixels (original height and width, crop, target height and width), or (rows, 5) with an
    aesthetic score in place of the target size.
    """

    prompt_embeds: torch.Tensor
    text_embeds: torch.Tensor
    time_ids: torch.Tensor


class PromptEncoder:
    """The text encoders of one expert. What they made of a text is kept in `cache`, and is the same to the bit.

    Args:
        name: of the expert; with the LoRA set and the text it tells one entry of the cache from another. The weights
            themselves don't change while a cache lives.
        dress: called before the text encoders run, with the LoRA set they shall wear.
    """

    def __init__(self, name: str, expert: Expert, dress: Dress, cache: EmbeddingCache) -> None:
        self._name = name
        self._expert = expert
        self._dress = dress
        self._cache = cache
        self._tokenizers = [partial(_tokenize, stage.tokenizer) for stage in expert.text_stages]

    def encode(
        self, prompt: str, negative_prompt: str, *, loras: LoraSet, width: int, height: int, guided: bool
    ) -> Conditioning:
        """Encode as the expert reads it under `loras`."""
        texts = (negative_prompt, prompt) if guided else (prompt,)
        rows = [self._encoded(text, loras) for text in texts]
        most = max(row.chunks for row in rows)
        prompt_embeds = torch.cat([self._filled_up(row, most, loras) for row in rows])
        scores = (NEGATIVE_AESTHETIC_SCORE, AESTHETIC_SCORE)[-len(rows) :]
        time_ids = [_time_ids(self._expert, score, width=width, height=height) for score in scores]
        return Conditioning(
            prompt_embeds=prompt_embeds,
            text_embeds=torch.cat([row.pooled for row in rows]),
            time_ids=torch.tensor(time_ids, dtype=prompt_embeds.dtype).to(prompt_embeds.device),
        )

    def left_out(self, text: str) -> int:
        """How many tokens of `text` lie beyond the chunks that are read."""
        return self._cut(text).left_out

    def _cut(self, text: str) -> Chunked:
        return cut_into_chunks(read_emphasis(text), self._tokenizers)

    def _encoded(self, text: str, loras: LoraSet) -> Embeddings:
        key = (self._name, loras.key, text)
        found = self._cache.find(key)
        if found is None:
            self._dress(loras)
            found = _encode(self._expert.text_stages, self._cut(text))
            self._cache.keep(key, found)
        return found

    def _filled_up(self, row: Embeddings, chunks: int, loras: LoraSet) -> torch.Tensor:
        missing = chunks - row.chunks
        if not missing:
            return row.hidden
        return torch.cat([row.hidden, *[self._encoded("", loras).hidden] * missing], dim=1)


def _encode(stages: Sequence[TextStage], cut: Chunked) -> Embeddings:
    hidden: list[torch.Tensor] = []
    pooled: torch.Tensor | None = None
    # one chunk at a time, as diffusers encodes one prompt: more rows at once would differ in the last bits
    for chunks in zip(*cut.chunks, strict=True):
        read = [_read(stage, chunk) for stage, chunk in zip(stages, chunks, strict=True)]
        hidden.append(torch.concat([each for each, _ in read], dim=-1).to(stages[-1].text_encoder.dtype))
        pooled = read[-1][1] if pooled is None else pooled
    assert pooled is not None, "a prompt has at least one chunk"
    return Embeddings(torch.cat(hidden, dim=1), pooled, len(hidden))


def _read(stage: TextStage, chunk: Chunk) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the last but one hidden state (1, 77, width), emphasised, and the encoder's first output."""
    tokenizer = stage.tokenizer
    padding = [tokenizer.pad_token_id] * (CHUNK_TOKENS - len(chunk.ids))
    ids = torch.tensor([[tokenizer.bos_token_id, *chunk.ids, tokenizer.eos_token_id, *padding]])
    output = stage.text_encoder(ids.to(stage.text_encoder.device), output_hidden_states=True)
    return emphasise(output.hidden_states[-2], chunk.weights), output[0]


def emphasise(hidden: torch.Tensor, weights: Sequence[float]) -> torch.Tensor:
    """Weigh the tokens after the start token in `hidden` (1, 77, width); the others keep weight 1.

    As AUTOMATIC1111's web UI does ("Original" emphasis): each token's vector times its weight, then all of the chunk
    times what gives it back its mean, which keeps the strength of the whole. There the mean is over all prompts of a
    batch, here over the chunk alone, so that a prompt means the same in any company. Where it would more than double or
    halve them, which a mean near zero can, the vectors stay as multiplied. In float32; plain weights change nothing.
    """
    if all(weight == 1 for weight in weights):
        return hidden
    factors = torch.ones(hidden.shape[1], 1, dtype=torch.float32)
    factors[1 : 1 + len(weights), 0] = torch.tensor(weights)
    plain = hidden.float()
    weighted = plain * factors.to(hidden.device)
    restored = float(plain.mean() / weighted.mean())
    if 1 / _MOST_RESTORED <= restored <= _MOST_RESTORED:  # False for what is no number
        weighted = weighted * restored
    return weighted.to(hidden.dtype)


def _tokenize(tokenizer: CLIPTokenizer, text: str) -> list[Token]:
    # verbose would warn of texts that are longer than one chunk
    ids = tokenizer(text, add_special_tokens=False, verbose=False).input_ids
    return [Token(number, token) for number, token in zip(ids, tokenizer.convert_ids_to_tokens(ids), strict=True)]


def _time_ids(expert: Expert, aesthetic_score: float, *, width: int, height: int) -> list[float]:
    last = [aesthetic_score] if expert.requires_aesthetics_score else [height, width]
    return [height, width, 0, 0, *last]
