"""Token counts are transformers' own, with the same files, in each layout that they come in."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from transformers import CLIPTokenizer

from models.shipped import miniature_weights
from models.tokens import ClipTokenizer, tokenizers_of
from models.weights import WeightSet
from tests.properties import budgets, hold
from tools.miniature.tokenizer import BOS, EOS, known_words, write_tokenizer

PIECES = [
    *"a ,!()éÉßİſ_\\\n\t\u200b\u0301\u00a01",
    "red",
    "Circle",
    "!!",
    "?!",
    "'s",
    "they're",
    "23",
    "東京",
    "が",
    "🎨",
]
PIECES += ["👩\u200d👧", BOS, EOS, "<|ENDOFTEXT|>"]
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
    st.lists(st.sampled_from(PIECES), max_size=40).map("".join),
)


def _added(content: str, *, normalized: bool) -> dict[str, Any]:
    flags = {"lstrip": False, "rstrip": False, "single_word": False}
    return {"content": content, "normalized": normalized, "special": True, **flags}


def _layouts(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield the layouts: as this repository writes them, as SDXL's are published, and as one file."""
    for pad in (EOS, "!"):
        name = "eos" if pad == EOS else "exclamation"
        plain = folder / f"{name}-plain"
        write_tokenizer(plain, pad, known_words())
        yield plain.name, plain

        published = folder / f"{name}-published"
        write_tokenizer(published, pad, known_words())
        last = CLIPTokenizer.from_pretrained(plain, local_files_only=True).eos_token_id
        added = {last - 1: _added(BOS, normalized=True), last: _added(EOS, normalized=True)}
        if pad == "!":
            added[0] = _added("!", normalized=False)
        _configure(published / "tokenizer_config.json", added_tokens_decoder=added)
        yield published.name, published

        mapped = folder / f"{name}-mapped"
        write_tokenizer(mapped, pad, known_words())
        _configure(mapped / "special_tokens_map.json", eos_token=_added(EOS, normalized=True))
        yield mapped.name, mapped

        single = folder / f"{name}-single"
        CLIPTokenizer.from_pretrained(published, local_files_only=True).save_pretrained(single)
        for other in ("vocab.json", "merges.txt"):
            (single / other).unlink(missing_ok=True)
        yield single.name, single


def _configure(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.fixture(scope="module")
def layouts(tmp_path_factory) -> dict[str, Path]:
    return dict(_layouts(tmp_path_factory.mktemp("tokenizers")))


@budgets
@pytest.mark.parametrize("kind", ["plain", "published", "mapped", "single"])
@pytest.mark.parametrize("pad", ["eos", "exclamation"])
def test_tokens_are_transformers(layouts, pad, kind, examples):
    folder = layouts[f"{pad}-{kind}"]
    reference, ours = CLIPTokenizer.from_pretrained(folder, local_files_only=True), ClipTokenizer(folder)

    def same(text: str) -> None:
        ids = reference(text, add_special_tokens=False, verbose=False).input_ids
        tokens = ours(text)
        assert [token.id for token in tokens] == ids
        assert [token.text for token in tokens] == reference.convert_ids_to_tokens(ids)

    hold(examples, (TEXTS, same))


def test_the_padding_of_the_second_encoder_is_found_in_the_text(layouts):
    one, other = (ClipTokenizer(layouts[f"{pad}-published"]) for pad in ("eos", "exclamation"))

    assert [token.text for token in one("wow!!")] != [token.text for token in other("wow!!")]
    assert [token.text for token in other("wow!!")][-2:] == ["!", "!"]


def test_the_miniatures_tokenizers_count():
    weights = miniature_weights()
    assert isinstance(weights, WeightSet)

    assert [len(tokenizer("a red circle")) for tokenizer in tokenizers_of(weights)] == [3, 3]


def test_without_files_nobody_counts(tmp_path, layouts):
    assert tokenizers_of(None) == ()
    assert tokenizers_of(WeightSet(base=tmp_path, refiner=None, loras={})) == ()
    broken = tmp_path / "base"
    for name in ("tokenizer", "tokenizer_2"):
        (broken / name).mkdir(parents=True)
        (broken / name / "vocab.json").write_text("{}")
        (broken / name / "merges.txt").write_text("#version: 0.2\na b\n")
    assert tokenizers_of(WeightSet(base=broken, refiner=None, loras={})) == ()
