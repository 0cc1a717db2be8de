"""Prompts of any length, cut into chunks as SDXL's text encoders read them: 75 tokens between a start and an end.

Where a chunk is full it ends behind the last comma among its last 20 tokens, as in AUTOMATIC1111's web UI; else behind
the last whole word there; else where it is full. A BREAK ends a chunk at once; sections without a token are left out.
Every encoder gets the same number of chunks for each section, so that one chunk is about the same words for all.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from models.emphasis import Section

CHUNK_TOKENS: Final = 75
"""Of a text encoder's 77 places; the others are the start and the end."""
MAX_CHUNKS: Final = 32
"""Tokens beyond so many chunks are left out: 2,400 tokens are more than 10,000 characters of prose need."""

_LOOK_BACK: Final = 20
_END_OF_WORD: Final = "</w>"


@dataclass(frozen=True, slots=True)
class Token:
    """A token's id, and its text as the vocabulary has it: `</w>` at the end of a word."""

    id: int
    text: str


Tokenize: TypeAlias = Callable[[str], Sequence[Token]]
"""Cuts a text into tokens, without start and end."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """At most 75 tokens and the weight of each."""

    ids: tuple[int, ...] = ()
    weights: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Chunked:
    """A prompt in chunks, for each encoder in turn; at least one, and as many for each encoder.

    `left_out` counts the tokens beyond MAX_CHUNKS.
    """

    chunks: tuple[tuple[Chunk, ...], ...]
    left_out: int = 0

    @property
    def tokens(self) -> tuple[int, ...]:
        """The tokens in each chunk, by the encoder that needs the most."""
        return tuple(max(len(chunk.ids) for chunk in chunks) for chunks in zip(*self.chunks, strict=True))


_Weighted: TypeAlias = tuple[Token, float]


def cut_into_chunks(sections: Sequence[Section], tokenizers: Sequence[Tokenize]) -> Chunked:
    """Cut a prompt as the text encoders with those tokenizers read it."""
    chunks: list[list[Chunk]] = [[] for _ in tokenizers]
    for section in sections:
        cut = [_cut(_tokens(section, tokenize)) for tokenize in tokenizers]
        most = max(map(len, cut))
        for of_encoder, of_section in zip(chunks, cut, strict=True):
            of_encoder.extend([*of_section, *[Chunk()] * (most - len(of_section))])
    left_out = max(sum(len(chunk.ids) for chunk in of_encoder[MAX_CHUNKS:]) for of_encoder in chunks)
    return Chunked(tuple(tuple(of_encoder[:MAX_CHUNKS]) or (Chunk(),) for of_encoder in chunks), left_out)


def _tokens(section: Section, tokenize: Tokenize) -> list[_Weighted]:
    return [(token, segment.weight) for segment in section for token in tokenize(segment.text)]


def _cut(tokens: Sequence[_Weighted]) -> list[Chunk]:
    chunks: list[Chunk] = []
    start = 0
    while start < len(tokens):
        end = _end_of_chunk(tokens, start)
        taken = tokens[start:end]
        chunks.append(Chunk(tuple(token.id for token, _ in taken), tuple(weight for _, weight in taken)))
        start = end
    return chunks


def _end_of_chunk(tokens: Sequence[_Weighted], start: int) -> int:
    full = start + CHUNK_TOKENS
    if len(tokens) <= full:
        return len(tokens)
    places = range(full, full - _LOOK_BACK, -1)
    behind_comma = (place for place in places if _ends_with_comma(tokens[place - 1][0]))
    behind_word = (place for place in places if tokens[place - 1][0].text.endswith(_END_OF_WORD))
    return next(behind_comma, None) or next(behind_word, full)


def _ends_with_comma(token: Token) -> bool:
    return token.text.removesuffix(_END_OF_WORD).endswith(",")
