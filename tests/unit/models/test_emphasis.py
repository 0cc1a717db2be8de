"""The prompt grammar: what counts how much, what is text, and that nothing written can break it."""

import time
from itertools import pairwise

import pytest
from hypothesis import strategies as st

from models.emphasis import MAX_WEIGHT, Segment, escape, plain_text, read_emphasis
from tests.properties import Property, budgets, each, hold


def read(text: str) -> list[list[tuple[str, float]]]:
    return [
        [(segment.text, pytest.approx(segment.weight, abs=1e-9)) for segment in section]
        for section in read_emphasis(text)
    ]


@pytest.mark.parametrize(
    ("prompt", "segments"),
    [
        ("a cat", [("a cat", 1)]),
        ("", []),
        ("(cat)", [("cat", 1.1)]),
        ("a (red) cat", [("a ", 1), ("red", 1.1), (" cat", 1)]),
        ("((cat))", [("cat", 1.21)]),
        ("[cat]", [("cat", 1 / 1.1)]),
        ("[[cat]]", [("cat", 1 / 1.21)]),
        ("(cat:1.3)", [("cat", 1.3)]),
        ("(cat:.5)", [("cat", 0.5)]),
        ("(cat:2.)", [("cat", 2)]),
        ("(cat : +1.5 )", [("cat ", 1.5)]),
        ("(cat:0)", [("cat", 0)]),
        ("((cat:1.3))", [("cat", 1.43)]),
        ("(a (b:1.5) c:1.2)", [("a ", 1.2), ("b", 1.8), (" c", 1.2)]),
        ("[a (b:2) c]", [("a ", 1 / 1.1), ("b", 2 / 1.1), (" c", 1 / 1.1)]),
        ("(time: 12:30:1.2)", [("time: 12:30", 1.2)]),
        ("(a:1.2)(b:0.8)", [("a", 1.2), ("b", 0.8)]),
        ("(re)(d)", [("red", 1.1)]),
    ],
)
def test_brackets_weigh(prompt, segments):
    assert read(prompt) == [segments]


@pytest.mark.parametrize("prompt", ["(x:1.0)", "(x:1)", "([x])", "[(x)]", "[[(((x:1)))]]"])
def test_weight_one_is_no_weight(prompt):
    assert read_emphasis(prompt) == ((Segment("x", 1.0),),)


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        (r"a \(b\)", "a (b)"),
        (r"\[b\]", "[b]"),
        (r"\\", "\\"),
        (r"\\\(", r"\("),
        (r"C:\paths\stay", r"C:\paths\stay"),
        ("a) b]", "a) b]"),
        ("a:1.3)", "a:1.3)"),
        ("a, b: c, 16:9", "a, b: c, 16:9"),
        ("{a|b} AND c", "{a|b} AND c"),
    ],
)
def test_text_is_text(prompt, text):
    assert read_emphasis(prompt) == ((Segment(text),),)


@pytest.mark.parametrize(
    ("prompt", "segments"),
    [
        ("(x:1.2.3)", [("x:1.2.3", 1.1)]),
        ("(x:)", [("x:", 1.1)]),
        ("(x:1e3)", [("x:1e3", 1.1)]),
        ("(x:nan)", [("x:nan", 1.1)]),
        ("(x:١)", [("x:١", 1.1)]),
        ("(x:1_0)", [("x:1_0", 1.1)]),
        ("(x:1,3)", [("x:1,3", 1.1)]),
        ("(x:" + "9" * 99 + ")", [("x:" + "9" * 99, 1.1)]),
        ("[x:1.3]", [("x:1.3", 1 / 1.1)]),
        (r"(x:1.3\)", [("x:1.3)", 1.1)]),
        ("(x:1.3(y))", [("x:1.3", 1.1), ("y", 1.21)]),
        ("(x", [("x", 1.1)]),
        ("(x [y", [("x ", 1.1), ("y", 1)]),
        ("a) (b", [("a) ", 1), ("b", 1.1)]),
        ("(a [b:1.2) c", [("a ", 1.2), ("b", 1.2 / 1.1), (" c", 1)]),
        ("([x)]", [("x", 1), ("]", 1)]),
        ("(x:-1)", [("x", 0)]),
        ("(x:99)", [("x", MAX_WEIGHT)]),
        ("((x:9):9)", [("x", MAX_WEIGHT)]),
    ],
)
def test_what_is_malformed_is_text_or_reaches_as_far_as_it_can(prompt, segments):
    merged = read(prompt)[0]
    joined = "".join(text for text, _ in merged)
    assert joined == "".join(text for text, _ in segments)
    weights = [weight for text, weight in segments for _ in text]
    assert [segment.weight for segment in read_emphasis(prompt)[0] for _ in segment.text] == pytest.approx(weights)


@pytest.mark.parametrize(
    ("prompt", "sections"),
    [
        ("a BREAK b", [[("a ", 1)], [(" b", 1)]]),
        ("BREAK", [[], []]),
        ("(a BREAK b:1.3) c", [[("a ", 1.3)], [(" b", 1.3), (" c", 1)]]),
        ("a (b)BREAK[c]", [[("a ", 1), ("b", 1.1)], [("c", 1 / 1.1)]]),
        ("a BREAK BREAK b", [[("a ", 1)], [(" ", 1)], [(" b", 1)]]),
        ("BREAKFAST, LUNCHBREAK, break", [[("BREAKFAST, LUNCHBREAK, break", 1)]]),
    ],
)
def test_break_begins_a_section(prompt, sections):
    assert read(prompt) == sections


def test_the_plain_text_is_what_is_read():
    assert plain_text(read_emphasis(r"a (red:1.3) [cat] \(small\) BREAK (d)og")) == r"a red cat (small)   dog"


# ── properties ───────────────────────────────────────────────────────────────────────────────────────────────────────
SYNTAX = st.lists(
    st.sampled_from(["(", ")", "[", "]", "\\", ":", "1.3", ":1.3)", "a", " ", "BREAK", ",", "\n", "<", "é", "\0", "-"])
).map("".join)
ANY = st.text(st.characters(exclude_categories=[]), max_size=80)


def nothing_breaks_it(prompt: str) -> None:
    sections = read_emphasis(prompt)
    assert len(sections) <= prompt.count("BREAK") + 1
    for section in sections:
        assert all(segment.text and 0 <= segment.weight <= MAX_WEIGHT for segment in section)
        assert all(one.weight != other.weight for one, other in pairwise(section))
    # every character that is read was written, in that order
    written = iter(prompt)
    assert all(character in written for section in sections for segment in section for character in segment.text)


def escapes_come_back(text: str) -> None:
    expected = (Segment(text),) if text else ()
    assert read_emphasis(escape(text)) == (expected,)


def plain_text_stays(text: str) -> None:
    assert read_emphasis(text) == ((Segment(text),) if text else (),)


def weights_are_found(parts: list[tuple[str, float]]) -> None:
    prompt = " ".join(f"({escape(text)}:{weight})" for text, weight in parts)
    read_back = [(segment.text, segment.weight) for segment in read_emphasis(prompt)[0] if segment.text != " "]
    assert read_back == [(text, weight) for text, weight in parts]


WORDS = st.text(st.characters(exclude_categories=["Z", "Cc", "Cs"]), min_size=1, max_size=12).filter(
    lambda word: "BREAK" not in word
)
WEIGHTS = st.floats(0.01, 9.99).map(lambda weight: round(weight, 3)).filter(lambda weight: weight != 1)
PROPERTIES: dict[str, Property] = {
    "syntax": (SYNTAX, nothing_breaks_it),
    "anything": (ANY, nothing_breaks_it),
    "escapes": (st.one_of(ANY, SYNTAX).filter(lambda text: "BREAK" not in text), escapes_come_back),
    "plain text": (
        ANY.filter(lambda text: not set(text) & set("()[]\\") and "BREAK" not in text),
        plain_text_stays,
    ),
    "weights": (st.lists(st.tuples(WORDS, WEIGHTS), max_size=8), weights_are_found),
}


@budgets
@each(PROPERTIES)
def test_whatever_comes(about, examples):
    hold(examples, PROPERTIES[about])


@pytest.mark.parametrize(
    "bomb",
    [
        "(",
        "[",
        ")",
        "]",
        "()",
        "(a",
        "(a:1)",
        "a)",
        "\\",
        "\\(",
        "(:",
        ":1)",
        "BREAK ",
        "BREAK",
        "([",
        "[)",
        " ",
        "1.",
        "(a[b",
    ],
)
def test_a_long_prompt_is_read_in_linear_time(bomb):
    started = time.perf_counter()
    read_emphasis(bomb * (200_000 // len(bomb)))

    assert time.perf_counter() - started < 20, "quadratic would take far longer"
