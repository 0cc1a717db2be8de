"""llms.txt and llms-full.txt (section 13): every fact in them is the card's, and its examples run."""

import json
import re
import subprocess

import pytest

from models.catalogue import Catalogue
from tests.wire.porch import RUN, porch

SLUGS = [card.slug for card in Catalogue.load()]
WIROS_TYPES = {
    **dict.fromkeys(("prompt", "negativePrompt"), "textarea"),
    **dict.fromkeys(("samples", "steps", "stepsRefiner", "width", "height"), "number"),
    **dict.fromkeys(("scale", "highNoiseFrac"), "float"),
    "seed": "text",
    **dict.fromkeys(("refiner", "scheduler"), "select"),
}
"""What Wiro's own text says of hevok/studio-trigger."""


@pytest.fixture(scope="module")
def texts(idle):
    return lambda slug, name="llms.txt": idle.get(f"{idle.url}/models/{slug}/{name}")


def inputs_of(text):
    """Return {parameter: {fact: value}} as a reader would."""
    section = re.split(r"^## ", text, flags=re.MULTILINE)
    [inputs] = [part for part in section if part.startswith("Inputs")]
    blocks = re.split(r"^### ", inputs, flags=re.MULTILINE)[1:]
    return {block.split("\n", 1)[0]: dict(re.findall(r"^- (\w+): (.*)$", block, re.MULTILINE)) for block in blocks}


def headings(text):
    return re.findall(r"^## (.*)$", text, re.MULTILINE)


@pytest.mark.parametrize("name", ["llms.txt", "llms-full.txt"])
@pytest.mark.parametrize("slug", [*SLUGS, "Hevok/Studio-Trigger"])
def test_plain_text_without_credentials(texts, slug, name):
    answer = texts(slug, name)

    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8")


@pytest.mark.parametrize("name", ["llms.txt", "llms-full.txt", "cover.png"])
def test_a_missing_model_is_missing(texts, name):
    assert texts("hevok/nothing", name).status_code == 404


def test_wiros_name_categories_tags_and_types(texts):
    text = texts("hevok/studio-trigger").text

    assert text.startswith("# Hevok/Studio-Trigger\n")
    assert "- Categories: model, lora-sdxl, text-to-image, checkpoint-file, fp16, persistent\n" in text
    assert "- Tags: anime, studio trigger, art style, art style capture, anime studio\n" in text
    assert {name: facts["type"] for name, facts in inputs_of(text).items()} == WIROS_TYPES


@pytest.mark.parametrize("name", ["llms.txt", "llms-full.txt"])
@pytest.mark.parametrize("slug", SLUGS)
def test_every_input_is_the_cards(texts, slug, name):
    card = Catalogue.load().find(*slug.split("/"))
    told = inputs_of(texts(slug, name).text)

    assert list(told) == [parameter.id for parameter in card.shown_parameters]
    for parameter in card.shown_parameters:
        facts = told[parameter.id]
        assert facts["label"] == parameter.label
        assert facts["help"] == parameter.note
        assert facts["required"] == ("yes" if parameter.required else "no")
        if parameter.required:
            assert "default" not in facts
        elif parameter.number is None or parameter.random_when_unset:
            assert json.loads(facts["default"]) == (parameter.default or "")
        else:
            assert float(json.loads(facts["default"])) == parameter.default
        for option in parameter.options:
            assert f"{json.dumps(option.value)} ({option.label})" in facts["options"]


def test_the_long_text_adds_the_other_calls_the_socket_and_samples(texts):
    short, long = texts("hevok/studio-trigger").text, texts("hevok/studio-trigger", "llms-full.txt").text

    assert headings(short) == ["Inputs", "Authentication", "Run", "Detail", "More"]
    assert headings(long) == [*headings(short)[:-1], "The other calls", "Websocket", "Sample parameter sets"]


def test_every_call_it_names_is_there(texts, idle):
    text = texts("hevok/studio-trigger", "llms-full.txt").text

    calls = set(re.findall(rf"{re.escape(idle.url)}/v1/([\w/-]+)", text))
    assert calls == {
        *(RUN, "Plan/hevok/studio-trigger", "Task/Detail", "Task/Cancel", "Task/Kill", "Task/List"),
        *("Tool/Detail", "Tool/DetailOpenAPI", "Tool/List"),
    }
    assert all(idle.post(call, {"prompt": "a lake"}).status_code == 200 for call in calls)
    assert f"ws://127.0.0.1:{idle.port}/v1" in text


@pytest.mark.parametrize("slug", SLUGS)
def test_its_sample_parameter_sets_run(texts, idle, slug):
    samples = texts(slug, "llms-full.txt").text.split("## Sample parameter sets")[1]

    sets = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", samples, re.DOTALL)]
    assert sets
    assert all(idle.post(f"Run/{slug}", each).json()["result"] is True for each in sets)


def test_its_shell_examples_run_as_pasted(texts, idle):
    auth, run = re.findall(r"```sh\n(.*?)```", texts("hevok/studio-trigger").text, re.DOTALL)[:2]
    auth = auth.replace("your-api-key", idle.credentials.api_key).replace(
        "your-api-secret", idle.credentials.api_secret
    )

    script = f"{auth}\n{run.replace('curl', 'curl -s --noproxy 127.0.0.1')}"
    done = subprocess.run(["sh", "-c", script], capture_output=True, check=False)
    assert json.loads(done.stdout)["result"] is True, done


def test_the_public_address_is_used_where_one_is_set(tmp_path):
    with porch(tmp_path, worker=False, public_url="https://easel.example.org") as easel:
        text = easel.get(f"{easel.url}/models/hevok/studio-trigger/llms-full.txt").text
        tool = easel.post("Tool/Detail", {"slugowner": "hevok", "slugproject": "studio-trigger"}).json()["tool"][0]

    assert "POST https://easel.example.org/v1/Run/hevok/studio-trigger" in text
    assert "wss://easel.example.org/v1" in text
    assert tool["image"] == "https://easel.example.org/models/hevok/studio-trigger/cover.png"
