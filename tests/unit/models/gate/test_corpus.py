"""The gate against its corpora: nothing evasive gets through, next to nothing harmless is refused."""

from collections import Counter

from models.gate.gate import load_gate
from models.gate.lexicon import Signal, read_lexicon
from tests.unit.models.gate.corpus import EVASIONS, benign, evasive

GATE = load_gate()


def test_every_evasive_prompt_is_refused():
    prompts = list(evasive())
    missed = [(name, prompt) for name, prompt in prompts if not GATE.judge(prompt).refused]

    assert len({prompt for _, prompt in prompts}) >= 500
    assert {name for name, _ in prompts} >= {*EVASIONS, "emoji", "ru", "ja", "zh"}
    assert missed == []


def test_harmless_prompts_are_not_refused():
    prompts = set(benign())
    refused = [(kind, prompt, GATE.judge(prompt).rules) for kind, prompt in prompts if GATE.judge(prompt).refused]
    print(f"{len(prompts)} benign prompts, {len(refused)} refused", Counter(kind for kind, _ in prompts))  # noqa: T201

    assert len(prompts) >= 2000
    assert refused == [], f"{len(refused) / len(prompts):.2%}"


def test_no_single_term_is_both_signals():
    terms = {term for words in read_lexicon().lists for term in words.terms}

    assert len(terms) > 1000
    assert [term for term in sorted(terms) if GATE.judge(term).refused] == []


def test_every_term_is_found_by_its_rule():
    one = {Signal.MINOR: "nudity", Signal.SEXUAL: "infant"}
    lost = [
        (words.rule.id, term)
        for words in read_lexicon().lists
        for term in words.terms
        if not words.rule.ambiguous and words.rule.signal in one
        if words.rule.id not in GATE.judge(f"{term}, {one[words.rule.signal]}").rules
    ]

    assert lost == []
