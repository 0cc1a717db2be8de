"""What n8n's nodes select beside the prompt: LoRAs as if by tag, and a plain word about what can't be followed."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.catalogue import Catalogue
from models.gate.gate import load_gate
from models.parameters import check
from models.prompt import split_lora_tags
from models.selection import read_selection
from models.weights import WeightSet
from server.domain.lifecycle import TaskStatus
from server.domain.task import Task
from server.domain.types import ProjectId, TaskId
from server.worker.prepare import CardPreparation

LORAXL = "wiro/text-to-image-sdxl-loraxl"
LORAS = {"Studio-Trigger": Path("/loras/Studio-Trigger.safetensors"), "ink": Path("/loras/ink.safetensors")}


@pytest.mark.parametrize(
    ("chosen", "tags"),
    [
        ("ink", "<lora:ink:1>"),
        ("hevok/Studio-Trigger", "<lora:Studio-Trigger:1>"),
        ("ink.safetensors", "<lora:ink:1>"),
        ("ink\nwash", "<lora:ink:1><lora:wash:1>"),
        ("ink\nwiro/ink", "<lora:ink:1>"),
    ],
)
@pytest.mark.parametrize("field", ["selectedLoraModel", "selectedLoraModelPrivate"])
def test_a_lora_is_selected_by_name_slug_or_file(field, chosen, tags):
    assert read_selection({field: chosen}).tags == tags
    assert read_selection({field: chosen}).notes == ()


@pytest.mark.parametrize("chosen", ["https://example.org/ink", "a<b", "a>b", "ink:2", "wiro/", ".safetensors"])
def test_what_is_no_name_is_told_and_ignored(chosen):
    selection = read_selection({"selectedLoraModel": chosen})

    assert selection.tags == ""
    assert selection.notes == (f"selectedLoraModel {chosen!r} was ignored: it is no name of a LoRA.",)


@pytest.mark.parametrize("field", ["selectedModel", "selectedModelPrivate", "selectedLoraModelPrivateUrl"])
def test_what_cant_be_followed_is_told(field):
    selection = read_selection({field: "https://example.org/" + "x" * 100})

    [note] = selection.notes
    assert selection.tags == ""
    assert note.startswith(f"{field} 'https://example.org/")
    assert len(note) < 250


def test_nothing_selected_says_nothing():
    assert read_selection({}) == read_selection({"selectedLoraModel": "", "selectedModel": ""})
    assert read_selection({}).notes == ()


@given(st.text(max_size=80))
def test_no_selection_breaks_a_prompt(chosen):
    selection = read_selection({"selectedLoraModel": chosen})

    assert split_lora_tags(selection.tags + "a lake").text == "a lake"


# ── in the worker ────────────────────────────────────────────────────────────────────────────────────────────────────
def prepared(**sent: object):
    catalogue = Catalogue.load()
    card = catalogue.find(*LORAXL.split("/"))
    assert card is not None
    weights = WeightSet(base=Path("/base"), refiner=None, loras=LORAS)
    task = Task(
        id=TaskId(1),
        uuid="",
        project_id=ProjectId(1),
        token="token",
        model=LORAXL,
        parameters={},
        values=check(card, {"prompt": "a lake", **sent}),
        callback_url="",
        base_url="",
        status=TaskStatus.ACCEPT,
        turn=1,
        attempt=1,
        crashes=0,
        last_seq=1,
        pexit="",
        message="",
        times={},
    )
    drawn = CardPreparation(catalogue, [LORAXL], weights, load_gate()).prepare(task, "g")
    return drawn.request.prompt, [(lora.name, lora.weight) for lora in drawn.request.loras], drawn.remarks


def test_a_selected_lora_is_used_as_a_tag_of_weight_1_would_be():
    by_tag = prepared(prompt="<lora:studio-trigger:1>, a lake")

    assert by_tag == ("a lake", [("Studio-Trigger", 1.0)], [])
    assert prepared(selectedLoraModel=["hevok/studio-trigger"]) == by_tag
    assert prepared(selectedLoraModelPrivate="Studio-Trigger") == by_tag
    assert prepared(selectedLoraModel="ink", selectedLoraModelPrivate=["Studio-Trigger"])[1] == [
        ("Studio-Trigger", 1.0),
        ("ink", 1.0),
    ]


def test_the_weight_in_the_prompt_has_the_last_word():
    prompt, loras, _ = prepared(prompt="<lora:ink:0.4>, a lake", selectedLoraModel="ink")

    assert (prompt, loras) == ("a lake", [("ink", 0.4)])


def test_an_unknown_lora_is_told_and_the_task_is_drawn():
    prompt, loras, notes = prepared(selectedLoraModel=["wash"], selectedModel="me/other")

    assert (prompt, loras) == ("a lake", [])
    assert notes == [
        "selectedModel 'me/other' was ignored: a model draws with its own weights; run another model for others.",
        "LoRA 'wash' is not installed here and was ignored.",
    ]
