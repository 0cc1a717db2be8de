"""The two text encoders, their byte-pair tokenizers, and captions with words strewn in that mean nothing."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from models.vocabulary import read_vocabulary
from tools.miniature.scenes import pick
from tools.miniature.tokenizer import EOS, known_words, vocabulary_size, write_tokenizer

WIDTHS: Final = (48, 80)
PROJECTION: Final = 80
_LETTERS: Final = "aaabcdeeefghiiijklmnooopqrstuuuvwxyz"


class TextEncoders(nn.Module):
    """Both encoders as SDXL uses them: the last layer but one of each, side by side, and the second's pooled output."""

    def __init__(self) -> None:
        super().__init__()
        size = vocabulary_size(known_words())
        self.text_encoder = CLIPTextModel(_config(WIDTHS[0], "quick_gelu", size))
        self.text_encoder_2 = CLIPTextModelWithProjection(_config(WIDTHS[1], "gelu", size))

    def forward(self, tokens: torch.Tensor, tokens_2: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Token numbers (batch, 77) of each tokenizer to (batch, 77, widths) and the pooled (batch, projection)."""
        first = self.text_encoder(tokens, output_hidden_states=True).hidden_states[-2]
        second = self.text_encoder_2(tokens_2, output_hidden_states=True)
        return torch.cat([first, second.hidden_states[-2]], dim=-1), second.text_embeds


@dataclass(frozen=True, slots=True)
class Tokenizers:
    """The tokenizers, which differ in what they pad with."""

    first: CLIPTokenizer
    second: CLIPTokenizer

    def read(self, texts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """Token numbers of texts for both encoders."""
        one, two = (
            tokenizer(texts, padding="max_length", max_length=77, truncation=True, return_tensors="pt").input_ids
            for tokenizer in (self.first, self.second)
        )
        return one, two


def load_tokenizers(folder: Path) -> Tokenizers:
    """Write both tokenizers below `folder`, where they are not there yet, and load them."""
    paths = folder / "tokenizer", folder / "tokenizer_2"
    for path, pad_token in zip(paths, (EOS, "!"), strict=True):
        if not (path / "tokenizer_config.json").exists():
            write_tokenizer(path, pad_token, known_words())
    return Tokenizers(*(CLIPTokenizer.from_pretrained(path, local_files_only=True) for path in paths))


def strew(caption: str, rng: np.random.Generator) -> str:
    """The caption among words of no effect, so that those a user adds have none either."""
    fillers = read_vocabulary().fillers
    extra = [pick(rng, fillers) if rng.random() < 0.5 else _nonsense(rng) for _ in range(int(rng.integers(1, 4)))]  # noqa: PLR2004 - half
    split = int(rng.integers(len(extra) + 1))
    return ", ".join([*extra[:split], caption, *extra[split:]])


def fragment(caption: str, rng: np.random.Generator) -> str:
    """Some words of the caption in a row: prompts are short at times, and a negative one may name a colour alone."""
    words = caption.replace(",", "").split()
    length = int(rng.integers(1, len(words) + 1))
    start = int(rng.integers(len(words) - length + 1))
    return " ".join(words[start : start + length])


def _nonsense(rng: np.random.Generator) -> str:
    words = (
        "".join(pick(rng, _LETTERS) for _ in range(int(rng.integers(2, 9)))) for _ in range(int(rng.integers(1, 3)))
    )
    return " ".join(words)


def _config(width: int, activation: str, tokens: int) -> CLIPTextConfig:
    # bos and eos ids as SDXL's files have them: 2 means "the highest id", which is where CLIP pools
    return CLIPTextConfig(
        vocab_size=tokens,
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=3,
        num_attention_heads=width // 16,
        projection_dim=PROJECTION,
        hidden_act=activation,
        bos_token_id=0,
        eos_token_id=2,
        pad_token_id=1,
    )
