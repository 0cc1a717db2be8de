import pytest
from transformers import CLIPTokenizer

from tools.miniature.tokenizer import build_vocabulary, known_words, learn_merges, vocabulary_size, write_tokenizer


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory) -> CLIPTokenizer:
    folder = tmp_path_factory.mktemp("tokens") / "tokenizer"
    write_tokenizer(folder, "!", known_words())
    return CLIPTokenizer.from_pretrained(folder, local_files_only=True)


def test_known_words_are_one_token(tokenizer):
    assert tokenizer.tokenize("A photo of a star") == ["a</w>", "photo</w>", "of</w>", "a</w>", "star</w>"]


@pytest.mark.parametrize("text", ["", "Zürich", "東京 🎨", "\x00\x7f", "xyzzy!?", "café's 1234"])
def test_any_text_has_tokens_and_none_is_unknown(tokenizer, text):
    ids = tokenizer(text).input_ids
    assert ids[0] == tokenizer.bos_token_id
    assert ids[-1] == tokenizer.eos_token_id
    assert tokenizer.eos_token_id not in ids[1:-1], "the unknown token is the end token"


def test_the_end_token_has_the_highest_id_as_clip_pools_there(tokenizer):
    assert tokenizer.eos_token_id == vocabulary_size(known_words()) - 1 == max(tokenizer.get_vocab().values())
    assert tokenizer.pad_token_id == 0


def test_merges_are_learned_until_words_are_whole_and_always_alike():
    merges = learn_merges(["aab", "ab", "b"])
    assert merges == [("a", "b</w>"), ("a", "ab</w>")]
    assert list(build_vocabulary(merges))[-4:] == ["ab</w>", "aab</w>", "<|startoftext|>", "<|endoftext|>"]
