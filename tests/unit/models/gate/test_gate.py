"""The gate: two signals must meet; whatever goes wrong refuses; the work grows with the length and no faster."""

import random
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.card import CardError
from models.gate.gate import EFFORT, FAULT, Gate, load_gate
from models.gate.lexicon import parse_lexicon, read_lexicon
from models.gate.matcher import Findings, Matcher, Overworked
from models.gate.normal import lookalikes, normalise
from tests.unit.models.gate.corpus import EVASIONS

GATE = load_gate()
MATCHER = Matcher(read_lexicon())


def test_a_refusal_names_its_rules_and_version_and_no_text():
    decision = GATE.judge("an infant in a park, nudity")

    assert decision.refused
    assert decision.rules == ("minor.child.en", "sexual.nudity.en")
    assert decision.version == read_lexicon().version
    assert "infant" not in repr(decision)


@pytest.mark.parametrize("prompt", ["an infant in a park", "nudity", "", " ", "1girl, nudity", "2boys, 1girl, nudity"])
def test_one_signal_is_not_enough(prompt):
    assert GATE.judge(prompt).rules == ()


@pytest.mark.parametrize(
    "age",
    ["12yo", "12 y.o.", "12 y/o", "aged twelve", "age: 12", "12-year-old", "１２ years old", "l2yo", "⑫ yo", "07 yo"],
)
def test_ages_below_18_are_minor_context(age):
    assert GATE.judge(f"{age}, nudity").refused


@pytest.mark.parametrize(
    "age",
    ["18yo", "aged eighteen", "age: 21", "118 years old", "22-year-old", "twenty-two years old", "aged 170", "32 y.o."],
)
def test_ages_from_18_on_are_not(age):
    assert not GATE.judge(f"{age}, nudity").refused


def test_lora_names_are_judged_with_the_prompt():
    assert GATE.judge("nudity", ["SmallChild_v2"]).refused
    assert GATE.judge("a small child", ["NudityXL"]).refused
    assert GATE.judge("nudity", ["chi", "ld"]).refused
    assert not GATE.judge("a small child", ["Studio-Trigger"]).refused


def test_what_the_text_encoders_read_is_judged():
    class Recorder:
        searched: ClassVar[set[str]] = set()

        def find(self, text: str) -> Findings:
            self.searched.add(text)
            return Findings()

    Gate("1", Recorder()).judge(r"s(no:1.3)[w]<lora:x:1:0.5> BREAK \(fal:1.0\)ling", ["ink"])

    assert "snow fal 1 0 ling ink" in Recorder.searched


def test_an_ambiguous_word_counts_in_its_own_language_only():
    assert GATE.judge("ein Kind, nackt").refused
    assert not GATE.judge("a kind woman, nude").refused


def test_a_gate_that_fails_refuses():
    class Broken:
        def find(self, text: str) -> Findings:
            raise RuntimeError(text)

    decision = Gate("1", Broken()).judge("a lake")

    assert (decision.refused, decision.rules) == (True, (FAULT,))


@pytest.mark.parametrize(
    "text",
    [
        'version = "1"\n[[list]]\nsignal = "other"\ncategory = "c"\nlanguage = "en"\nterms = ["a"]',
        'version = "1"\n[[list]]\nsignal = "minor"\ncategory = "c"\nlanguage = "en"\nterms = ["{no} a"]',
        "[[list]]",
        "",
    ],
)
def test_a_lexicon_that_cannot_be_read_is_refused(text):
    with pytest.raises(CardError):
        parse_lexicon(text)


@given(st.text(max_size=60))
def test_what_is_normal_stays_as_it_is(text):
    assert normalise(normalise(text)) == normalise(text)


@given(st.text(alphabet=[*lookalikes(), *"aZ1 !*ñÑ\u0303\u200b_"], max_size=60))
def test_of_lookalikes_too(text):
    assert normalise(normalise(text)) == normalise(text)


@pytest.mark.parametrize("name", EVASIONS)
@pytest.mark.parametrize("term", ["infant", "toddler", "preteen", "aged seven"])
def test_no_disguise_changes_what_is_found(name, term):
    assert GATE.judge(f"{EVASIONS[name](term)}, nudity").rules == GATE.judge(f"{term}, nudity").rules


@given(st.text(max_size=300))
def test_any_text_gets_a_decision_and_never_a_fault(text):
    assert FAULT not in GATE.judge(text, [text[:20]]).rules


_PIECES = (
    "c h i l d ",
    "i|",
    "|*",
    "n*",
    "*i+l",
    "$l|",
    "1|l",
    "u n d e r a g e ",
    "l i t t l e ",
    "s* ",
    "aged 1 ",
    "nude",
    "a",
)


@pytest.mark.parametrize(
    "piece", [*_PIECES, *("".join(random.Random(n).choices("sil!|*$ten1+ ", k=4)) for n in range(40))]
)
def test_the_work_is_linear_in_the_length(piece):
    def steps(length: int) -> int:
        return MATCHER.find(normalise((piece * length)[:length])).steps

    try:
        assert steps(2000) <= 2.3 * steps(1000) + 2000
    except Overworked:
        assert GATE.judge(piece * 10_000).rules == (EFFORT,)


@pytest.mark.parametrize("piece", ["!i*l", "*i+l"])
def test_a_text_made_to_be_expensive_is_refused(piece):
    assert GATE.judge((piece * 2500)[:10_000]).rules == (EFFORT,)


@pytest.mark.parametrize("evade", ["plain", "spaced", "dotted", "leet", "repeated", "weighted"])
def test_whatever_people_write_costs_little(evade):
    text = normalise(EVASIONS[evade]("a little girl, under the edge of a lake ") * 200)
    assert MATCHER.find(text).steps <= 15 * len(text)
