"""The words that call a LoRA, from what trainers write into files; and nothing of what else may stand there."""

import json

import pytest

from models.lora_words import MOST_WORDS, trigger_words

TAGS = {"10_ink": {"inkwash": 40, "mountain": 12}, "5_more": {"inkwash": 10, "lake ": 9}}


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({}, []),
        ({"modelspec.trigger_phrase": "ink wash, , by hand"}, ["ink wash", "by hand"]),
        ({"ss_tag_frequency": json.dumps(TAGS)}, ["inkwash"]),
        ({"ss_tag_frequency": json.dumps(TAGS), "modelspec.trigger_phrase": "ink"}, ["ink"]),
        ({"ss_tag_frequency": "{"}, []),
        ({"ss_tag_frequency": "[1]"}, []),
        ({"ss_tag_frequency": '{"a": 3, "b": {"c": "d"}}'}, []),
        ({"modelspec.trigger_phrase": "\x1b[31mred\n ink"}, ["[31mred ink"]),
    ],
)
def test_words_are_read(metadata, words):
    assert trigger_words(metadata) == words


def test_there_are_never_more_than_a_line_holds():
    tags = {"1_a": {f"word {number}" * 40: 9 for number in range(50)}}
    words = trigger_words({"ss_tag_frequency": json.dumps(tags)})

    assert len(words) == MOST_WORDS
    assert max(map(len, words)) <= 60
