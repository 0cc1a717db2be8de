"""LoRA tags leave the prompt, whole; what remains is the client's own text."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.prompt import MAX_LORAS, LoraTag, split_lora_tags


def test_the_model_pages_prompt():
    prompt = split_lora_tags("<lora:Studio-Trigger:1.0>, masterpiece, (dark fantasy), close up")

    assert prompt.text == "masterpiece, (dark fantasy), close up"
    assert prompt.loras == (LoraTag("Studio-Trigger", 1.0),)
    assert prompt.notes == ()


@pytest.mark.parametrize(
    ("tag", "lora"),
    [
        ("<lora:ink>", LoraTag("ink", 1.0)),
        ("<lora:ink:0.5>", LoraTag("ink", 0.5)),
        ("<lora:ink:-5>", LoraTag("ink", -5.0)),
        ("<lora:ink:5>", LoraTag("ink", 5.0)),
        ("<lora:ink:0>", LoraTag("ink", 0.0)),
        ("<lora: ink : .7 >", LoraTag("ink", 0.7)),
        ("<LoRA:ink:1>", LoraTag("ink", 1.0)),
        ("<lora:../../etc/passwd:1>", LoraTag("../../etc/passwd", 1.0)),
        ("<lora:墨 v2.1 (final):1>", LoraTag("墨 v2.1 (final)", 1.0)),
    ],
)
def test_a_tag_is_read_and_removed(tag, lora):
    prompt = split_lora_tags(f"a cat, {tag}, night")

    assert prompt.loras == (lora,)
    assert prompt.text == "a cat, night"
    assert prompt.notes == ()


@pytest.mark.parametrize("weight", ["5.01", "-6", "nan", "inf", "1e9", "١", "1_0", "", "strong", "1:x", "1:9", "1:1:1"])
def test_a_tag_with_an_unusable_weight_is_ignored_with_a_note(weight):
    prompt = split_lora_tags(f"a cat, <lora:ink:{weight}>")

    assert prompt.loras == ()
    assert prompt.text == "a cat"
    assert prompt.notes == (f"<lora:ink:{weight}> was ignored: its weight must be a number from -5 to 5.",)


@pytest.mark.parametrize("tag", ["<lora:>", "<lora::1>", "<lora:  :1>"])
def test_a_tag_without_a_name_is_ignored_with_a_note(tag):
    prompt = split_lora_tags(tag + "cat")

    assert (prompt.text, prompt.loras) == ("cat", ())
    assert "names no LoRA" in prompt.notes[0]


@pytest.mark.parametrize(
    ("tag", "lora"),
    [
        ("<lora:ink:0.8:0.2>", LoraTag("ink", 0.8, 0.2)),
        ("<lora:ink:0.8:0>", LoraTag("ink", 0.8, 0.0)),
        ("<lora: ink : 0 : -1 >", LoraTag("ink", 0.0, -1.0)),
        ("<lora:ink:1:1>", LoraTag("ink", 1.0, 1.0)),
    ],
)
def test_the_second_weight_is_the_text_encoders(tag, lora):
    prompt = split_lora_tags(f"a cat, {tag}")

    assert (prompt.text, prompt.loras, prompt.notes) == ("a cat", (lora,), ())


def test_dropped_tags_are_shown():
    prompt = split_lora_tags("<lora:ink:bad>, <lora:ink:1:9>, <lora::1>, <lora:" + "x" * 99 + ":bad>, a cat <lora:y")

    assert prompt.dropped[:3] == ("<lora:ink:bad>", "<lora:ink:1:9>", "<lora::1>")
    assert [len(tag) < 80 for tag in prompt.dropped] == [True] * 5
    assert len(split_lora_tags("<lora::>" * 100).dropped) == 16


def test_a_ninth_lora_is_ignored_with_a_note():
    prompt = split_lora_tags("".join(f"<lora:n{number}>" for number in range(MAX_LORAS + 1)))

    assert [lora.name for lora in prompt.loras] == [f"n{number}" for number in range(8)]
    assert prompt.notes == ("LoRA n8 was ignored: a prompt can use 8 LoRAs.",)


def test_unusable_tags_do_not_count_towards_the_eight():
    prompt = split_lora_tags("<lora:bad:9>" * 8 + "<lora:good>")

    assert prompt.loras == (LoraTag("good", 1.0),)


def test_of_tags_with_the_same_name_the_last_weight_counts():
    prompt = split_lora_tags("<lora:ink:1> <lora:wash> <lora:INK:0.5>")

    assert prompt.loras == (LoraTag("INK", 0.5), LoraTag("wash", 1.0))
    assert "more than once" in prompt.notes[0]


def test_notes_are_few_and_short():
    prompt = split_lora_tags(f"<lora:{'x' * 5000}:bad>" + "<lora::>" * 1000)

    assert len(prompt.notes) == 17
    assert max(map(len, prompt.notes)) < 200
    assert prompt.notes[-1] == "985 more remarks about LoRA tags are left out."


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("<lora:x>", ""),
        ("<lora:x>, cat", "cat"),
        ("cat, <lora:x>", "cat"),
        ("cat <lora:x>", "cat"),
        ("cat, <lora:x>, dog", "cat, dog"),
        ("cat <lora:x> dog", "cat dog"),
        ("cat<lora:x>, dog", "cat, dog"),
        ("cat<lora:x>dog", "cat dog"),
        ("cat, <lora:x> <lora:y>,<lora:z>, dog", "cat, dog"),
        ("(<lora:x> cat)", "(cat)"),
        ("(cat, <lora:x>), dog", "(cat), dog"),
        ("cat <lora:x>.", "cat."),
        ("cat\n<lora:x>, dog", "cat\ndog"),
        ("cat, <lora:x>\ndog", "cat\ndog"),
    ],
)
def test_a_hole_closes_tidily(written, text):
    assert split_lora_tags(written).text == text


@pytest.mark.parametrize(
    "text", ["", "  a ,, cat ,", "a < b > c", "<lorax:1>", "<hypernet:x:1>", "< lora:x>", "lora:x:1>", "[a|b], \\(c\\)"]
)
def test_text_without_tags_stays_as_written(text):
    assert split_lora_tags(text).text == text
    assert split_lora_tags(text).notes == ()


def test_only_the_hole_is_tidied():
    assert split_lora_tags(" a ,, cat <lora:x> dog ,, ").text == " a ,, cat dog ,, "


def test_an_opening_that_never_closes_is_dropped_with_a_note():
    prompt = split_lora_tags("cat, <lora:ink")

    assert prompt.text == "cat, ink"
    assert prompt.notes == ("A LoRA tag without its closing > was dropped.",)


@pytest.mark.parametrize(
    "nested",
    ["<lo<lora:x:1>ra:y:1>", "<lora<lora:x>:y:1>", "<<lora:x>lora:y:1>", "<lora:na<lora:x:1>me:1>", "<lora:<lora:x>>"],
)
def test_removing_a_tag_never_makes_another(nested):
    assert "<lora:" not in split_lora_tags(nested).text


@given(
    st.lists(st.sampled_from(["<", "<lo", "ra:", "<lora:", ">", ":", "x", "1", ",", " ", "(", "\n", "\0"])).map("".join)
)
def test_no_opening_is_ever_left(prompt):
    split = split_lora_tags(prompt)

    assert "<lora:" not in split.text.lower()
    assert split_lora_tags(split.text).text == split.text


@pytest.mark.parametrize(
    "bomb",
    ["<lora:", "<lora:x", "<", "<lora:x:1>", "<lora:x:1>,", "<lora:::", ", ", "<lora:" + "a" * 50, ">", " <lora:x> "],
)
def test_a_megabyte_is_read_in_linear_time(bomb):
    started = time.perf_counter()
    split_lora_tags(bomb * (1_000_000 // len(bomb)))

    assert time.perf_counter() - started < 5


def test_one_unclosed_megabyte_is_read_in_linear_time():
    started = time.perf_counter()
    split_lora_tags("<lora:" + "a:" * 500_000)

    assert time.perf_counter() - started < 1
