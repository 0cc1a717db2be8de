"""Search: words are scored, sentences find their model, and nothing a client sends fails."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.catalogue import Catalogue
from server.api.wire import model_id
from server.domain.errors import UnknownModel
from server.domain.runs import Runs
from server.services.explore import explore
from server.services.find_model import find_model
from server.services.list_tools import ToolQuery, list_tools
from server.services.search import score, words_of

CATALOGUE = Catalogue.load()
STUDIO = "hevok/studio-trigger"
SDXL = "stabilityai/stable-diffusion-xl-base-1.0"
PLAIN = "wiro/text-to-image-sdxl"
LORAXL = "wiro/text-to-image-sdxl-loraxl"
ALL = [STUDIO, SDXL, PLAIN, LORAXL]


def listed(runs: dict[str, Runs] | None = None, **query: object) -> list[str]:
    found = list_tools(CATALOGUE, ToolQuery(**query), runs or {}, model_id)
    assert found.total >= len(found.cards)
    return [card.slug for card in found.cards]


@pytest.mark.parametrize(
    ("search", "first"),
    [
        ("studio trigger", STUDIO),
        ("Studio-Trigger", STUDIO),
        ("studiotrigger", STUDIO),
        ("hevok/studio-trigger", STUDIO),
        ("anime", STUDIO),
        ("I want to generate a picture in the style of an anime studio", STUDIO),
        ("stable diffusion", SDXL),
        ("stable-diffusion-xl-base-1.0", SDXL),
        ("text-to-image-sdxl", PLAIN),
        ("text to image sdxl loraxl", LORAXL),
    ],
)
def test_the_best_answer_comes_first(search, first):
    assert listed(search=search)[0] == first


@pytest.mark.parametrize(
    "sentence",
    [
        "Please make me some pictures of a cat",
        "which model should I use for drawing a logo?",
        "photographs of mountains at dawn",
        "generate an image from a text description",
    ],
)
def test_a_sentence_finds_models_that_draw(sentence):
    assert set(listed(search=sentence)) == set(ALL)


@pytest.mark.parametrize("search", ["zzyzx", "speech recognition of calls", "🦊", "translate subtitles"])
def test_what_nothing_answers(search):
    assert listed(search=search) == []


@pytest.mark.parametrize("search", ["", "   ", "\n", "model", "the best model for me"])
def test_a_blank_search_is_answered_by_all(search):
    assert listed(search=search) == ALL


def test_fillers_do_not_count():
    assert words_of("I want to use a model for anime") == ["anime"]
    assert words_of("the of to") == []


def test_an_exact_word_outweighs_its_stem_and_a_title_a_description():
    card = CATALOGUE.find(*STUDIO.split("/"))
    assert card is not None

    assert score(card, "trigger") > score(card, "triggers") > 0
    assert score(replace(card, title="Lighthouse"), "lighthouse") > score(
        replace(card, description="Draws a lighthouse."), "lighthouse"
    )
    assert score(card, "anime studio") > score(card, "anime")


def test_more_often_run_models_come_first_among_equals():
    assert listed({SDXL: Runs(total=3), LORAXL: Runs(total=9)}) == [LORAXL, SDXL, STUDIO, PLAIN]


@given(st.text(), st.sampled_from(["relevance", "time", "ratedusercount", "commentcount", "averagepoint", "id", "?"]))
def test_any_search_in_any_order_gives_each_card_once_at_most(search, sort):
    down = listed(search=search, sort=sort)
    up = listed(search=search, sort=sort, ascending=True)

    assert len(set(down)) == len(down)
    assert set(down) == set(up) <= set(ALL)


@given(st.integers(0, 6), st.integers(1, 6))
def test_pages_are_parts_of_the_whole(start, limit):
    assert listed(start=start, limit=limit) == ALL[start : start + limit]


@pytest.mark.parametrize(
    ("query", "slugs"),
    [
        ({"categories": ("lora-sdxl",)}, [STUDIO]),
        ({"categories": ("LoRA-SDXL",)}, [STUDIO]),
        ({"categories": ("video", "text-to-image")}, ALL),
        ({"categories": ("video",)}, []),
        ({"tags": ("Art Style",)}, [STUDIO]),
        ({"tags": ("sdxl",)}, [SDXL, PLAIN, LORAXL]),
        ({"tags": ("nothing",)}, []),
        ({"owner": "Hevok"}, [STUDIO]),
        ({"owner": "wiro"}, [PLAIN, LORAXL]),
        ({"owner": "nobody"}, []),
        ({"owner": "wiro", "search": "loraxl"}, [LORAXL]),
    ],
)
def test_filters(query, slugs):
    assert listed(**query) == slugs


def test_sorted_by_id():
    assert listed(sort="id", ascending=True) == sorted(ALL, key=lambda slug: int(model_id(slug)))
    assert listed(sort="id") == sorted(ALL, key=lambda slug: -int(model_id(slug)))


@pytest.mark.parametrize(
    ("owner", "name", "slug"),
    [
        ("hevok", "studio-trigger", STUDIO),
        ("HEVOK", "Studio-Trigger", STUDIO),
        (" Hevok ", "Studio Trigger", STUDIO),
        ("hevok", "studio_trigger", STUDIO),
        ("wiro", "Text to Image SDXL", PLAIN),
        ("stabilityai", "Stable Diffusion XL 1.0", SDXL),
    ],
)
def test_models_are_found_by_clean_and_raw_slugs(owner, name, slug):
    assert find_model(CATALOGUE, owner, name).slug == slug


@pytest.mark.parametrize(("owner", "name"), [("", ""), ("hevok", ""), ("wiro", "studio-trigger"), ("a", "b")])
def test_other_names_find_nothing(owner, name):
    with pytest.raises(UnknownModel):
        find_model(CATALOGUE, owner, name)


def test_explore_has_all_models_and_no_empty_group():
    shelves = explore(CATALOGUE, {PLAIN: Runs(total=1)})

    assert [(shelf.id, [card.slug for card in shelf.cards]) for shelf in shelves] == [
        ("all", [PLAIN, STUDIO, SDXL, LORAXL]),
        ("lora-sdxl", [STUDIO]),
        ("text-to-image", [PLAIN, STUDIO, SDXL, LORAXL]),
    ]
    assert explore(Catalogue([]), {}) == []
