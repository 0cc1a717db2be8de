"""Numbers, tags, selections and lists of URLs: nothing but the documented error, linear time, round trips."""

import math
import time

import pytest
from hypothesis import strategies as st

from models.card import Parameter
from models.file_inputs import FileError, urls_of
from models.numbers import number_of
from models.prompt import MAX_LORA_WEIGHT, MAX_LORAS, MAX_NOTES, LoraTag, split_lora_tags
from models.selection import LORA_FIELDS, read_selection
from tests.properties import Property, budgets, each, hold

URLS = Parameter(id="styles", type="multifileinput", label="Styles")
TEXTS = st.text(st.characters(exclude_categories=[]), max_size=60)
NAMES = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Z"], exclude_characters="<>:"), min_size=1, max_size=20
).filter(lambda name: name == name.strip())
WEIGHTS = st.floats(-MAX_LORA_WEIGHT, MAX_LORA_WEIGHT).map(lambda weight: round(weight, 3))
SYNTAX = st.lists(st.sampled_from(["<lora:", "<LoRA:", "<", ">", ":", "a", "1", "-9", "1e9", ",", " ", "(", "\n", "{"]))


def a_number_is_finite_and_ascii(text: str) -> None:
    number = number_of(text)
    if number is not None:
        assert text.strip().isascii()
        assert "_" not in text
        assert math.isfinite(number)
        assert number == pytest.approx(float(text))


def a_number_comes_back(number: float) -> None:
    assert number_of(number) == number
    read = number_of(f" {number}\n")
    assert read is not None
    assert type(number)(read) == number


def tags_come_back(tags: list[tuple[str, float]]) -> None:
    split = split_lora_tags("a lake " + " ".join(f"<lora:{name}:{weight}>" for name, weight in tags))
    assert split.loras == tuple(LoraTag(name, weight) for name, weight in tags)
    assert (split.text, split.notes) == ("a lake", ())


def a_prompt_is_split(prompt: str) -> None:
    split = split_lora_tags(prompt)
    assert "<lora:" not in split.text.lower()
    assert len(split.loras) <= MAX_LORAS
    assert len(split.notes) <= MAX_NOTES + 1
    assert all(abs(tag.weight) <= MAX_LORA_WEIGHT for tag in split.loras)
    if "<lora:" not in prompt.lower():
        assert split.text == prompt


def selections_are_tags(chosen: list[str]) -> None:
    selection = read_selection(dict.fromkeys(LORA_FIELDS, "\n".join(chosen)))
    assert split_lora_tags(selection.tags).text == ""


def urls_are_urls(given: object) -> None:
    try:
        urls = urls_of(URLS, {"styles": given})
    except FileError:
        return
    assert all(url.lower().startswith(("http://", "https://")) and url.isprintable() for url in urls)


def urls_come_back(names: list[str]) -> None:
    urls = [f"https://example.org/{name}.png" for name in names]
    assert urls_of(URLS, {"styles": ", ".join(urls)}) == urls
    assert urls_of(URLS, {"styles": urls}) == urls


PROPERTIES: dict[str, Property] = {
    "numbers": (TEXTS | st.text("0123456789.eE+-_ ²١", max_size=12), a_number_is_finite_and_ascii),
    "whole numbers": (st.integers(-(10**60), 10**60), a_number_comes_back),
    "floats": (st.floats(-1e90, 1e90).filter(lambda number: not 0 < abs(number) < 1e-90), a_number_comes_back),
    "tags": (
        st.lists(st.tuples(NAMES, WEIGHTS), min_size=1, max_size=8, unique_by=lambda tag: tag[0].casefold()),
        tags_come_back,
    ),
    # a text with NUL is refused before it comes here
    "prompts": (TEXTS.filter(lambda text: "\0" not in text) | SYNTAX.map("".join), a_prompt_is_split),
    "selections": (st.lists(TEXTS | SYNTAX.map("".join), max_size=5), selections_are_tags),
    "anything for URLs": (
        st.recursive(TEXTS | st.none() | st.integers(), st.lists) | st.text("htps:/[]@,. ", max_size=30),
        urls_are_urls,
    ),
    "URLs": (st.lists(st.from_regex(r"[a-z0-9]{1,9}", fullmatch=True), max_size=5, unique=True), urls_come_back),
}


@budgets
@each(PROPERTIES)
def test_whatever_comes(about, examples):
    hold(examples, PROPERTIES[about])


@pytest.mark.parametrize("bomb", [" ", ",", ", ", "http", "https://", "https://a ", "/*", ":", "@", "["])
def test_urls_are_read_in_linear_time(bomb):
    started = time.perf_counter()
    urls_are_urls("https://a/b" + bomb * (200_000 // len(bomb)) + "x")
    assert time.perf_counter() - started < 10
