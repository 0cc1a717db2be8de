"""Chunks: where they end, and that every token is in one of them."""

import re

from hypothesis import strategies as st

from models.chunks import CHUNK_TOKENS, MAX_CHUNKS, Chunk, Chunked, Token, cut_into_chunks
from models.emphasis import read_emphasis
from tests.properties import Property, budgets, each, hold


def words(text: str) -> list[Token]:
    """A word is a token, and so is a comma; `+` glues tokens to a word. A number is its own id."""
    found = re.findall(r"\w+|,|\+", text)
    tokens: list[Token] = []
    for place, word in enumerate(found):
        if word != "+":
            glued = place + 1 < len(found) and found[place + 1] == "+"
            tokens.append(Token(int(word) if word.isdigit() else 0, word if glued else word + "</w>"))
    return tokens


def letters(text: str) -> list[Token]:
    return [Token(ord(letter), letter) for letter in text if not letter.isspace()]


def cut(prompt: str) -> list[Chunk]:
    (chunks,) = cut_into_chunks(read_emphasis(prompt), [words]).chunks
    return list(chunks)


def lengths(prompt: str) -> list[int]:
    return [len(chunk.ids) for chunk in cut(prompt)]


def count(number: int) -> str:
    return " ".join(["x"] * number)


def test_short_prompts_are_one_chunk():
    assert cut("") == [Chunk()]
    assert cut("1 2 3") == [Chunk((1, 2, 3), (1.0, 1.0, 1.0))]
    assert lengths(count(75)) == [75]


def test_a_full_chunk_ends_where_it_is_full():
    assert lengths(count(76)) == [75, 1]
    assert lengths(count(300)) == [75, 75, 75, 75]


def test_or_behind_the_last_comma_near_its_end():
    assert lengths(f"{count(60)}, {count(30)}") == [61, 30]
    assert lengths(f"{count(60)}, {count(5)}, {count(30)}") == [67, 30]
    assert lengths(f"{count(74)}, {count(30)}") == [75, 30]
    assert lengths(f"{count(55)}, {count(30)}") == [56, 30], "the comma is among the last 20"
    assert lengths(f"{count(54)}, {count(30)}") == [75, 10], "this one is not"
    assert lengths(f"{count(70)}, {count(4)}") == [75], "what fits is not broken"


def test_or_behind_a_whole_word():
    assert lengths(f"{count(74)} a+b+c") == [74, 3]
    assert lengths(count(10) + " " + "a+" * 90 + "b") == [75, 26], "but not where that is far away"


def test_a_break_ends_a_chunk_and_empty_sections_are_left_out():
    assert lengths("1 2 BREAK 3") == [2, 1]
    assert lengths(f"{count(80)} BREAK {count(80)}") == [75, 5, 75, 5]
    assert lengths("BREAK 1 BREAK BREAK 2 BREAK") == [1, 1]
    assert cut("BREAK BREAK") == [Chunk()]


def test_each_token_has_the_weight_of_its_segment():
    assert cut("1 (2 3:1.5) [4]") == [Chunk((1, 2, 3, 4), (1.0, 1.5, 1.5, 1 / 1.1))]


def test_the_encoders_get_as_many_chunks_for_each_section():
    long, short = "ab " * 60, "c"
    both = cut_into_chunks(read_emphasis(f"{long} BREAK {short}"), [words, letters])

    assert [[len(chunk.ids) for chunk in chunks] for chunks in both.chunks] == [[60, 0, 1], [75, 45, 1]]
    assert both.tokens == (75, 45, 1)


def test_beyond_so_many_chunks_tokens_are_left_out_and_counted():
    most = MAX_CHUNKS * CHUNK_TOKENS

    assert cut_into_chunks(read_emphasis(count(most)), [words]).left_out == 0
    beyond = cut_into_chunks(read_emphasis(count(most + 100)), [words])
    assert (len(beyond.chunks[0]), beyond.left_out) == (MAX_CHUNKS, 100)
    breaks = cut_into_chunks(read_emphasis("x BREAK " * 1000), [words])
    assert (len(breaks.chunks[0]), breaks.left_out) == (MAX_CHUNKS, 1000 - MAX_CHUNKS)


def all_tokens_are_there(sections: list[list[int]]) -> None:
    prompt = " BREAK ".join(" ".join(map(str, section)) for section in sections)
    whole: Chunked = cut_into_chunks(read_emphasis(prompt), [words])
    (chunks,) = whole.chunks
    ids = [number for chunk in chunks for number in chunk.ids]
    wanted = [number for section in sections for number in section]
    assert ids == wanted[: len(ids)]
    assert whole.left_out == len(wanted) - len(ids)
    assert all(len(chunk.ids) == len(chunk.weights) <= CHUNK_TOKENS for chunk in chunks)
    assert 1 <= len(chunks) <= MAX_CHUNKS


PROPERTIES: dict[str, Property] = {
    "all tokens": (st.lists(st.lists(st.integers(0, 99), max_size=200), max_size=40), all_tokens_are_there),
}


@budgets
@each(PROPERTIES)
def test_whatever_comes(about, examples):
    hold(examples, PROPERTIES[about])
