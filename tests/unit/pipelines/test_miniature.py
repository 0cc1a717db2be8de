import hashlib

import pytest
from transformers import CLIPTokenizer

from pipelines.loading import same_component
from pipelines.miniature import write_miniature
from pipelines.miniature_tokenizer import build_vocabulary, learn_merges, vocabulary_size, write_tokenizer


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory) -> CLIPTokenizer:
    folder = tmp_path_factory.mktemp("tokens") / "tokenizer"
    write_tokenizer(folder, pad_token="!")
    return CLIPTokenizer.from_pretrained(folder, local_files_only=True)


def test_common_words_are_one_token(tokenizer):
    assert tokenizer.tokenize("A photo of a cat") == ["a</w>", "photo</w>", "of</w>", "a</w>", "cat</w>"]


@pytest.mark.parametrize("text", ["", "Zürich", "東京 🎨", "\x00\x7f", "xyzzy!?", "café's 1234"])
def test_any_text_has_tokens_and_none_is_unknown(tokenizer, text):
    ids = tokenizer(text).input_ids
    assert ids[0] == tokenizer.bos_token_id
    assert ids[-1] == tokenizer.eos_token_id
    assert tokenizer.eos_token_id not in ids[1:-1], "the unknown token is the end token"


def test_the_end_token_has_the_highest_id_as_clip_pools_there(tokenizer):
    assert tokenizer.eos_token_id == vocabulary_size() - 1 == max(tokenizer.get_vocab().values())
    assert tokenizer.pad_token_id == 0


def test_merges_are_learned_until_words_are_whole_and_always_alike():
    merges = learn_merges(["aab", "ab", "b"])
    assert merges == [("a", "b</w>"), ("a", "ab</w>")]
    assert list(build_vocabulary(merges))[-4:] == ["ab</w>", "aab</w>", "<|startoftext|>", "<|endoftext|>"]


def digests(folder) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_a_seed_always_writes_the_same_miniature_of_a_few_megabytes(tmp_path):
    for name, seed in (("one", 3), ("two", 3), ("three", 4)):
        write_miniature(tmp_path / name, seed=seed)
    one, two, three = (digests(tmp_path / name) for name in ("one", "two", "three"))
    assert one == two
    assert one != three
    assert sum(path.stat().st_size for path in (tmp_path / "one").rglob("*")) < 5e6
    shared = tmp_path / "one" / "base" / "vae"
    assert same_component(tmp_path / "one" / "refiner" / "vae", shared)
    assert not same_component(tmp_path / "three" / "refiner" / "vae", shared)
