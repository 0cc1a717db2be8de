import torch

from pipelines.embedding_cache import EmbeddingCache, Embeddings


def embeddings(numbers: int) -> Embeddings:
    return Embeddings(torch.zeros(1, 1, numbers), torch.zeros(1, 0), 1)


def test_it_keeps_what_was_used_last():
    cache = EmbeddingCache(most_bytes=3 * 40)
    for key in "abc":
        cache.keep(key, embeddings(10))
    assert cache.find("a") is not None
    cache.keep("d", embeddings(10))

    assert [key for key in "abcd" if cache.find(key)] == ["a", "c", "d"]


def test_it_counts_bytes():
    cache = EmbeddingCache(most_bytes=100)
    cache.keep("small", embeddings(5))
    cache.keep("too large", embeddings(26))
    assert (cache.find("small") is not None, cache.find("too large")) == (True, None)
    cache.keep("large", embeddings(25))

    assert (len(cache), cache.find("small")) == (1, None)


def test_it_can_forget_everything():
    cache = EmbeddingCache(most_bytes=40)
    cache.keep("a", embeddings(10))
    cache.clear()
    cache.keep("b", embeddings(10))

    assert (cache.find("a"), cache.find("b") is not None) == (None, True)
