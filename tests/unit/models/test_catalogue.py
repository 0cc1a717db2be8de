"""Cards: what is packaged, what an operator adds, and what a card that can't be used is told."""

import re
from pathlib import Path

import pytest

from models.card import CardError
from models.card_file import read_card
from models.catalogue import Catalogue
from models.prompt import split_lora_tags
from models.vocabulary import read_vocabulary

CARD = """
family = "small"
owner = "me"
name = "mine"
title = "Mine"
description = "A card."
categories = ["text-to-image"]
tags = []
cps = 0
[weights]
base = ["a/base", "b"]
refiner = ["a/refiner", "c"]
"""

FAMILY = """
[[groups]]
title = "All"
[[groups.items]]
id = "prompt"
type = "textarea"
label = "Prompt"
required = true
[[groups.items]]
id = "scale"
type = "range"
number = "float"
label = "Scale"
default = 4
min = 0
max = 30
[[groups.items]]
id = "side"
type = "range"
number = "int"
label = "Side"
default = 64
min = 64
max = 128
multiple_of = 8
[[groups.items]]
id = "refiner"
type = "select"
label = "Refiner"
default = ""
options = [{ label = "NO", value = "off" }, { label = "YES", value = "" }]
"""


def read(card: str = CARD, family: str = FAMILY):
    return read_card(card, {"small": family}, "mine.toml")


def write(folder: Path, name: str, text: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, encoding="utf-8")


def test_the_packaged_cards(catalogue):
    assert [card.slug for card in catalogue] == [
        "hevok/studio-trigger",
        "stabilityai/stable-diffusion-xl-base-1.0",
        "wiro/text-to-image-sdxl",
        "wiro/text-to-image-sdxl-loraxl",
    ]
    assert len(catalogue) == 4


@pytest.mark.parametrize(
    ("owner", "name"), [("hevok", "studio-trigger"), ("Hevok", "Studio-Trigger"), ("HEVOK", "STUDIO-TRIGGER")]
)
def test_cards_are_found_in_any_case(catalogue, owner, name):
    assert catalogue.find(owner, name).title == "Studio-Trigger"


@pytest.mark.parametrize(("owner", "name"), [("hevok", "other"), ("", ""), ("hevok/studio-trigger", ""), ("..", "..")])
def test_other_cards_are_not(catalogue, owner, name):
    assert catalogue.find(owner, name) is None


def test_studio_trigger_says_what_wiro_says(card):
    assert card.categories == ("model", "lora-sdxl", "text-to-image", "checkpoint-file", "fp16", "persistent")
    assert card.tags == ("anime", "studio trigger", "art style", "art style capture", "anime studio")
    assert (card.cps, card.loras) == (0.0, ())
    assert card.weights.base == ("stable-diffusion-xl-base-1.0",)
    assert card.weights.refiner == ("stable-diffusion-xl-refiner-1.0",)
    types = {parameter.id: parameter.type for parameter in card.shown_parameters}
    assert types == {
        "prompt": "textarea",
        "negativePrompt": "textarea",
        "samples": "range",
        "width": "range",
        "height": "range",
        "seed": "text",
        "steps": "range",
        "scale": "range",
        "scheduler": "select",
        "refiner": "select",
        "highNoiseFrac": "range",
        "stepsRefiner": "range",
    }
    assert [parameter.id for parameter in card.parameters if parameter.required] == ["prompt"]


def test_the_refiner_select_has_wiros_labels(card):
    options = card.parameter("refiner").options

    assert [(option.label, option.value) for option in options] == [("NO", "--only_base_model"), ("YES", "")]
    assert card.parameter("nothing") is None


def test_a_card_overrides_its_family():
    card = read(CARD + '[parameters.scale]\ndefault = 7\nmax = 10\nlabel = "Guidance"')

    scale = card.parameter("scale")
    assert (scale.default, scale.minimum, scale.maximum, scale.label) == (7.0, 0, 10, "Guidance")
    assert type(scale.default) is float


def test_a_card_names_its_loras():
    card = read(CARD.replace("cps = 0", 'cps = 0\nloras = [{ name = "ink", weight = 0.5 }, { name = "wash" }]'))

    assert [(lora.name, lora.weight) for lora in card.loras] == [("ink", 0.5), ("wash", 1.0)]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('title = "Mine"', "", "`title` is missing"),
        ('title = "Mine"', "title = 5", "`title` must be text"),
        ('title = "Mine"', 'title = "Mine"\ntitel = "x"', "`titel` is not a key"),
        ("tags = []", "tags = [5]", "`tags` must be a list of texts"),
        ("cps = 0", 'cps = "free"', "`cps` must be a number"),
        ("cps = 0", "cps = inf", "`cps` must be a number"),
        ("cps = 0", "cps = nan", "`cps` must be a number"),
        ("cps = 0", "cps = true", "`cps` must be a number"),
        ("cps = 0", "cps = 0\nloras = [5]", "`loras` must be a list of tables"),
        ('owner = "me"', 'owner = "me/you"', "no clean slug"),
        ('owner = "me"', 'owner = "-me"', "no clean slug"),
        ('family = "small"', 'family = "big"', "no family 'big'; known: small"),
        ('family = "small"', "family =", "mine.toml: "),
        ('base = ["a/base", "b"]', "base = []", "at least one base"),
        ('base = ["a/base", "b"]', 'base = ["b"]', "as many refiners as bases"),
        ('base = ["a/base", "b"]', 'base = ["../base", "b"]', "plain folder name"),
        ('base = ["a/base", "b"]', 'base = ["/base", "b"]', "plain folder name"),
        ("[weights]", "[parameters.steps]\ndefault = 1\n[weights]", "`steps` is not a key"),
        ("[weights]", '[parameters.scale]\ntype = "text"\n[weights]', "can't be overridden"),
        ("[weights]", "[parameters.scale]\ndefault = 31\n[weights]", "default of parameter 'scale' must be between"),
        ("[weights]", "[parameters.side]\ndefault = 65\n[weights]", "must be a multiple of 8"),
        ("[weights]", "[parameters.side]\ndefault = 64.0\n[weights]", "should read 64"),
        ("[weights]", '[parameters.refiner]\ndefault = "off"\n[weights]', 'an option "" and needs it as its default'),
    ],
)
def test_a_wrong_card_is_told_what_is_wrong(old, new, told):
    assert old in CARD

    with pytest.raises(CardError, match=re.escape(told)) as caught:
        read(CARD.replace(old, new, 1))
    assert "mine.toml" in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('type = "textarea"', 'type = "area"', "needs a type out of"),
        ('number = "float"', "", "is a range and needs `number`"),
        ('number = "float"', 'number = "double"', '"int" or "float"'),
        ("min = 0\n", "", "needs `min` and `max`"),
        ("min = 0\n", "min = 40\n", "has a `min` above its `max`"),
        ("multiple_of = 8", "multiple_of = 0", "needs a `multiple_of` above 0"),
        ("multiple_of = 8", "multiple_of = 8.5", "must be a whole number"),
        ("required = true", 'required = "yes"', "must be true or false"),
        ("required = true", "", "needs a default"),
        ("required = true", 'required = true\ndefault = "x"', "can't have a default"),
        ("required = true", "required = true\nmin = 0", "only numbers can have"),
        ("required = true", "required = true\nzero_is_unset = true", "needs `number`"),
        ('id = "side"', 'id = "scale"', "'scale' is defined twice"),
        ("multiple_of = 8", 'same_as = "steps"', "'steps', which is no parameter"),
        ('options = [{ label = "NO", value = "off" }, { label = "YES", value = "" }]', "", "needs options"),
        ('default = ""', 'default = "on"', "needs it as its default"),
        ('label = "Scale"', 'label = "Scale"\nhelp = "x"', "`help` is not a key"),
    ],
)
def test_a_wrong_family_is_told_what_is_wrong(old, new, told):
    assert old in FAMILY

    with pytest.raises(CardError, match=re.escape(told)):
        read(family=FAMILY.replace(old, new, 1))


def test_an_operators_folder_adds_and_replaces_cards(tmp_path):
    write(tmp_path, "small.toml", FAMILY)
    write(tmp_path, "me/mine.toml", CARD)
    studio = CARD.replace('"me"', '"Hevok"').replace('"mine"', '"Studio-Trigger"').replace('"small"', '"sdxl"')
    write(tmp_path, "Hevok/Studio-Trigger.toml", studio)

    catalogue = Catalogue.load([tmp_path])

    assert catalogue.find("me", "mine").title == "Mine"
    assert catalogue.find("hevok", "studio-trigger").title == "Mine"
    assert len(catalogue) == len(Catalogue.load()) + 1


ALIAS = '[[aliases]]\nslug = "you/yours"\ntitle = "Yours"\ndescription = "Another name."\n'


def test_an_alias_is_a_card_of_its_own(tmp_path):
    write(tmp_path, "small.toml", FAMILY)
    write(tmp_path, "me/mine.toml", CARD + ALIAS)

    catalogue = Catalogue.load([tmp_path])

    card, alias = catalogue.find("me", "mine"), catalogue.find("You", "Yours")
    assert (alias.slug, alias.title, alias.description) == ("you/yours", "Yours", "Another name.")
    assert (alias.weights, alias.groups, alias.tags) == (card.weights, card.groups, card.tags)
    assert alias in list(catalogue)


def test_a_card_file_outweighs_an_alias_of_its_name(tmp_path):
    write(tmp_path, "small.toml", FAMILY)
    write(tmp_path, "me/mine.toml", CARD + ALIAS)
    yours = CARD.replace('"me"', '"you"').replace('"mine"', '"yours"').replace('"Mine"', '"Real"')
    write(tmp_path, "you/yours.toml", yours)

    assert Catalogue.load([tmp_path]).find("you", "yours").title == "Real"


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ('[[inspire]]\nprompt = "a"\nstep = 4', "inspire[0] names 'step', which is no parameter"),
        ('[[inspire]]\nprompt = "a"\nscale = 31', "inspire[0]: Request parameter [scale] must be between 0 and 30"),
        ("[[inspire]]\nscale = 3", "inspire[0]: Request parameter [prompt] required"),
        ("[[inspire]]\nprompt = [5]", "`prompt` must be text or a number"),
        (ALIAS.replace("you/yours", "yours"), "'' is no clean slug"),
        (ALIAS.replace("you/yours", "you/your/s"), "no clean slug"),
        (ALIAS + "tags = []", "`tags` is not a key"),
        (ALIAS.replace("title", "# title"), "`title` is missing"),
        ('[parameters.scale]\naliases = ["side"]', "can't be overridden"),
    ],
)
def test_wrong_examples_and_aliases_are_told(more, told):
    with pytest.raises(CardError, match=re.escape(told)):
        read(CARD + more)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('id = "scale"', 'id = "scale"\naliases = ["side"]', "'side' is defined twice"),
        ('id = "side"', 'id = "side"\nseveral = true', "can't be `several`, being no plain text"),
        ('id = "prompt"', 'id = "prompt"\nseveral = true', "can't be `several`, being no plain text"),
    ],
)
def test_aliases_and_several_are_checked_in_families(old, new, told):
    with pytest.raises(CardError, match=re.escape(told)):
        read(family=FAMILY.replace(old, new))


def test_a_hidden_group_is_read_and_not_shown():
    card = read(family=FAMILY.replace('title = "All"', 'title = "All"\nhidden = true'))

    assert card.parameter("scale")
    assert (card.shown_groups, card.shown_parameters) == ((), ())


def test_a_cards_file_is_called_like_the_card(tmp_path):
    write(tmp_path, "small.toml", FAMILY)
    write(tmp_path, "me/other.toml", CARD)

    with pytest.raises(CardError, match=r"other\.toml: the card calls itself me/mine"):
        Catalogue.load([tmp_path])


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(CardError, match="is no folder of cards"):
        Catalogue.load([tmp_path / "nowhere"])


def test_a_card_that_is_no_utf8_is_told(tmp_path):
    (tmp_path / "me").mkdir()
    (tmp_path / "me" / "mine.toml").write_bytes(b"\xff")

    with pytest.raises(CardError, match=r"mine\.toml can't be read"):
        Catalogue.load([tmp_path])


# ── while the miniature draws ────────────────────────────────────────────────────────────────────────────────────────
def defaults(card):
    return {parameter.id: parameter.default for parameter in card.parameters}


def test_the_miniature_changes_defaults_of_the_cards_it_draws_and_nothing_else(catalogue, card):
    served = catalogue.with_miniature(["hevok/studio-trigger"])
    small = served.find("hevok", "studio-trigger")

    changed = {"width": 512, "height": 512, "steps": 20, "stepsRefiner": 0, "scale": 5.0}
    assert defaults(small) == {**defaults(card), **changed}
    bounds = [(each.id, each.minimum, each.maximum, each.number, each.required) for each in card.parameters]
    assert [(each.id, each.minimum, each.maximum, each.number, each.required) for each in small.parameters] == bounds
    assert [each for each in served if each.slug != card.slug] == [each for each in catalogue if each.slug != card.slug]
    assert catalogue.find("hevok", "studio-trigger") is card


def test_it_is_asked_for_in_its_own_words(catalogue):
    served = catalogue.with_miniature([card.slug for card in catalogue])
    for card in served:
        prompt = split_lora_tags(card.parameter("prompt").placeholder).text
        assert prompt
        assert read_vocabulary().unknown_words(prompt) == []
    assert read_vocabulary().trigger in served.find("hevok", "studio-trigger").parameter("prompt").note


def test_a_miniatures_override_lies_on_top_of_the_cards():
    parts = (
        "[parameters]\nscale = { default = 6.0, label = 'Own' }\n",
        "[miniature.parameters]\nscale = { default = 7.0 }\n",
    )
    whole = read_card(CARD + "".join(parts), {"small": FAMILY}, "here")
    alone = read_card(CARD + parts[1], {"small": FAMILY}, "here")

    assert [(card.parameter("scale").default, card.parameter("scale").label) for card in (whole, alone)] == [
        (6.0, "Own"),
        (4.0, "Scale"),
    ]
    assert [
        (card.as_miniature().parameter("scale").default, card.as_miniature().parameter("scale").label)
        for card in (whole, alone)
    ] == [(7.0, "Own"), (7.0, "Scale")]


def test_a_card_without_the_table_is_never_the_miniatures():
    card = read_card(CARD, {"small": FAMILY}, "here")
    assert card.miniature is None
    assert card.as_miniature() is card
    assert read_card(CARD + "[miniature]\n", {"small": FAMILY}, "here").miniature == card.groups


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("[miniature]\nsteps = 1\n", "steps"),
        ("[miniature.parameters]\nother = { default = 1 }\n", "other"),
        ("[miniature.parameters]\nscale = { default = 1000 }\n", "default of parameter 'scale'"),
        ("[miniature.parameters]\nscale = { type = 'text' }\n", "type"),
        ("miniature = 1\n", "miniature"),
    ],
)
def test_a_miniature_table_that_cannot_be_used(table, says):
    text = table + CARD if table.startswith("miniature") else CARD + table
    with pytest.raises(CardError, match=says):
        read_card(text, {"small": FAMILY}, "here")
