"""Tool/List, Detail, Explore and DetailOpenAPI (sections 3.7 to 3.9, 8 and 9; traps 12, 18, 24 and 26)."""

import io
import re

import pytest
from fastapi.openapi.models import OpenAPI
from PIL import Image

from tests.wire.decoders import DETAIL_ANSWER, EXPLORE_ANSWER, LIST_ANSWER, check_tool, decode
from tests.wire.porch import error_of

STUDIO = "hevok/studio-trigger"
SDXL = "stabilityai/stable-diffusion-xl-base-1.0"
PLAIN = "wiro/text-to-image-sdxl"
LORAXL = "wiro/text-to-image-sdxl-loraxl"
ALL = [STUDIO, SDXL, PLAIN, LORAXL]
SDK = {"start": "0", "limit": "20", "search": "", "categories": [], "sort": "relevance", "order": "DESC"}
SDK |= {"hideworkflows": True, "summary": True}
"""What the MCP server and the SDKs send (section 3.7)."""


def slug_of(tool):
    return f"{tool['cleanslugowner']}/{tool['cleanslugproject']}"


@pytest.fixture(scope="module")
def listing(idle):
    def listed(body=None, **options):
        answer = idle.post("Tool/List", body, **options)
        assert answer.status_code == 200
        decoded = decode(answer.json(), LIST_ANSWER)
        assert (decoded["result"], decoded["errors"]) == (True, [])
        for tool in decoded["tool"]:
            check_tool(tool, idle.url)
        return decoded

    return listed


@pytest.fixture(scope="module")
def slugs(listing):
    return lambda body=None, **options: [slug_of(tool) for tool in listing(body, **options)["tool"]]


@pytest.fixture(scope="module")
def studio(idle):
    answer = idle.post("Tool/Detail", {"slugowner": "hevok", "slugproject": "studio-trigger"})
    [tool] = decode(answer.json(), DETAIL_ANSWER)["tool"]
    check_tool(tool, idle.url)
    return tool


@pytest.fixture(scope="module")
def items(studio):
    return {item["id"]: item for group in studio["parameters"] for item in group["items"]}


# ── Tool/List (3.7) ──────────────────────────────────────────────────────────────────────────────────────────────────
def test_3_7_what_the_sdks_send(listing):
    answer = listing(SDK)

    assert answer["total"] == 4
    assert [slug_of(tool) for tool in answer["tool"]] == ALL
    assert [tool["parameters"] for tool in answer["tool"]] == [None] * 4


def test_3_7_everything_is_optional(listing, slugs):
    assert slugs() == slugs({}) == ALL
    assert all(tool["parameters"] for tool in listing({})["tool"])


def test_3_7_no_key_is_needed(slugs, idle):
    """The documentation's model browser posts from its page without any header of Wiro's."""
    assert slugs(SDK, headers={}) == ALL
    assert slugs(SDK, headers={"x-api-key": "wrong"}) == ALL
    assert idle.post("Tool/Explore", {}, headers={}).json()["result"] is True


@pytest.mark.parametrize("encoding", ["json", "data", "label"])
def test_3_7_any_body_encoding(slugs, encoding):
    fields = {"search": "anime", "start": "0", "limit": "5"}
    options = {"json": {"json": fields}, "data": {"data": fields}, "label": {"content": b'{"search": "anime"}'}}

    assert slugs(**options[encoding]) == [STUDIO]


def test_3_7_a_sentence_finds_its_model(slugs):
    sentence = "I need a model that draws characters in the style of an anime studio, with thick outlines"

    assert slugs({**SDK, "search": sentence})[0] == STUDIO


def test_3_7_no_hits(listing):
    answer = listing({**SDK, "search": "zzyzx"})

    assert (answer["total"], answer["tool"]) == (0, [])


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"categories": ["lora-sdxl"]}, [STUDIO]),
        ({"categories": "lora-sdxl"}, [STUDIO]),
        ({"categories": ["no such"]}, []),
        ({"tags": ["anime"]}, [STUDIO]),
        ({"slugowner": "WIRO"}, [PLAIN, LORAXL]),
        ({"search": "studio", "slugowner": "wiro"}, []),
    ],
)
def test_3_7_filters(slugs, query, expected):
    assert slugs({**SDK, **query}) == expected


@pytest.mark.parametrize(
    ("start", "limit", "expected"),
    [
        ("0", "2", ALL[:2]),
        (1, 2, ALL[1:3]),
        ("3", 20, ALL[3:]),
        ("9", "20", []),
        ("0", "0", ALL[:1]),
        (-5, 10**30, ALL),
    ],
)
def test_3_7_pages_as_strings_or_numbers(listing, start, limit, expected):
    answer = listing({**SDK, "start": start, "limit": limit})

    assert [slug_of(tool) for tool in answer["tool"]] == expected
    assert answer["total"] == 4


@pytest.mark.parametrize(
    "sort", ["relevance", "time", "ratedusercount", "commentcount", "averagepoint", "id", "popularity", "", 5, None]
)
@pytest.mark.parametrize("order", ["ASC", "DESC", "sideways", None])
def test_3_7_every_sort_and_order(slugs, sort, order):
    assert sorted(slugs({**SDK, "sort": sort, "order": order})) == ALL


STRANGE = [None, True, 0, -1, 1.5, 10**40, "", " ", "x" * 5000, [], [None], [["a"]], {}, {"a": 1}, "é\n🦊", "%_'\""]


@pytest.mark.parametrize("key", ["search", "categories", "tags", "slugowner", "sort", "order", "start", "limit"])
@pytest.mark.parametrize("value", STRANGE, ids=lambda value: repr(value)[:12])
def test_3_7_unknown_values_never_fail(listing, key, value):
    listing({**SDK, key: value})


@pytest.mark.parametrize("value", STRANGE, ids=lambda value: repr(value)[:12])
def test_3_7_switches_and_strangers_never_fail(listing, value):
    assert listing({"summary": value, "hideworkflows": value, "unheard": value})["total"] == 4


@pytest.mark.parametrize(
    ("summary", "shown"), [(True, False), ("true", False), ("1", False), (False, True), ("", True)]
)
def test_3_7_a_summary_has_no_parameters(listing, summary, shown):
    assert (listing({"summary": summary})["tool"][0]["parameters"] is not None) is shown


# ── Tool/Detail (3.8) ────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("slug", ALL)
def test_3_8_every_model_decodes(idle, slug):
    owner, _, name = slug.partition("/")
    answer = decode(idle.post("Tool/Detail", {"slugowner": owner, "slugproject": name}).json(), DETAIL_ANSWER)

    assert slug_of(answer["tool"][0]) == slug
    check_tool(answer["tool"][0], idle.url)


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        ("Hevok", "Studio-Trigger"),
        ("HEVOK", "STUDIO-TRIGGER"),
        ("hevok", "Studio Trigger"),
        (" hevok ", "studio-trigger"),
    ],
)
def test_3_8_raw_slugs_in_any_case(idle, studio, owner, name):
    assert idle.post("Tool/Detail", {"slugowner": owner, "slugproject": name}).json()["tool"][0] == studio


@pytest.mark.parametrize("call", ["Detail", "DetailOpenAPI"])
@pytest.mark.parametrize(
    "body", [{}, {"slugowner": "hevok"}, {"slugowner": "a", "slugproject": "b"}, {"slugowner": 5, "slugproject": []}]
)
def test_3_8_an_unknown_model_is_refused(idle, call, body):
    assert error_of(idle.post(f"Tool/{call}", body)) == (1, "slug-owner-project-not-exist")


# ── Tool/Explore (3.9) ───────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("body", [{}, None])
def test_3_9_groups_that_are_not_empty(idle, body):
    answer = decode(idle.post("Tool/Explore", body).json(), EXPLORE_ANSWER)

    assert answer["result"] is True
    assert [group["id"] for group in answer["explore"]] == ["all", "lora-sdxl", "text-to-image"]
    for group in answer["explore"]:
        assert group["tools"]
        assert group["title"]
        assert group["total"] == len(group["tools"])
        for tool in group["tools"]:
            check_tool(tool, idle.url)


# ── the tool object (8) ──────────────────────────────────────────────────────────────────────────────────────────────
def test_trap_12_categories_are_an_array_here_and_text_in_task_objects(idle, studio):
    assert studio["categories"] == ["model", "lora-sdxl", "text-to-image", "checkpoint-file", "fp16", "persistent"]
    task = idle.detail(idle.run()["socketaccesstoken"])
    assert type(task["categories"]) is str


def test_8_the_names(studio):
    assert (studio["title"], studio["seotitle"]) == ("Studio-Trigger", "Studio-Trigger")
    assert (studio["slugowner"], studio["slugproject"]) == ("Hevok", "Studio-Trigger")
    assert (studio["cleanslugowner"], studio["cleanslugproject"]) == ("hevok", "studio-trigger")
    assert studio["tags"] == ["anime", "studio trigger", "art style", "art style capture", "anime studio"]
    assert studio["description"] == studio["seodescription"] != ""


def test_8_the_id_is_the_one_tasks_carry(idle, studio):
    assert idle.detail(idle.run()["socketaccesstoken"])["modelid"] == studio["id"]


def test_8_the_image_can_be_fetched_without_credentials(idle, studio):
    answer = idle.get(studio["image"])

    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png")
    assert Image.open(io.BytesIO(answer.content)).size == (640, 360)


def test_8_the_readme_is_html_with_every_parameter(studio, items):
    assert studio["readme"].startswith("<h1>Studio-Trigger</h1>")
    assert re.findall(r"<td><code>(\w+)</code>", studio["readme"]) == list(items)
    assert "<lora:" not in studio["readme"], "text is escaped"


def test_8_every_inspiration_runs(idle, studio):
    assert studio["inspire"]
    for example in studio["inspire"]:
        assert all(type(value) is str for value in example.values())
        assert idle.post(f"Run/{STUDIO}", example).json()["result"] is True


# ── the parameter schema (9 and 10) ──────────────────────────────────────────────────────────────────────────────────
TYPES = {
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


def test_10_the_types_of_the_models_parameters(items):
    assert {name: item["type"] for name, item in items.items()} == TYPES


def test_10_the_pages_defaults(items):
    defaults = {name: item.get("default") for name, item in items.items()}

    assert defaults == {
        "prompt": None,
        "negativePrompt": "",
        "samples": 1,
        "width": 1024,
        "height": 1024,
        "seed": "",
        "steps": 60,
        "scale": 4,
        "scheduler": "EulerDiscreteScheduler",
        "refiner": "",
        "highNoiseFrac": 0.8,
        "stepsRefiner": 20,
    }


def test_trap_18_required_is_a_boolean_and_absent_numbers_are_left_out(items):
    assert [name for name, item in items.items() if item["required"] is True] == ["prompt"]
    assert all(item["required"] is False for name, item in items.items() if name != "prompt")
    for name, item in items.items():
        assert ({"min", "max", "step"} <= set(item)) is (TYPES[name] == "range")
        assert None not in item.values()


def test_trap_24_both_vocabularies(items):
    highest = items["highNoiseFrac"]

    assert (highest["min"], highest["max"], highest["step"]) == (0, 1, 0.01)
    assert (highest["minvalue"], highest["maxvalue"], highest["incrementby"]) == ("0", "1", "0.01")
    assert (highest["default"], highest["defaultvalue"]) == (0.8, "0.8")
    assert (items["prompt"]["rows"], items["prompt"]["maxinputlenght"]) == ("4", 10000)
    assert items["refiner"]["options"] == [
        {"label": "NO", "text": "NO", "value": "--only_base_model"},
        {"label": "YES", "text": "YES", "value": ""},
    ]


def test_9_what_the_schema_says_is_what_run_takes(idle, items):
    """Every default and bound of the schema, sent back as text, runs; a value beyond a bound does not."""
    given = {name: item["defaultvalue"] for name, item in items.items()} | {"prompt": "a lake"}
    assert idle.post(f"Run/{STUDIO}", given).json()["result"] is True
    for name, item in items.items():
        for bound in ("minvalue", "maxvalue"):
            if item[bound]:
                assert idle.post(f"Run/{STUDIO}", {**given, name: item[bound]}).json()["result"] is True
        if item["maxvalue"]:
            assert idle.post(f"Run/{STUDIO}", {**given, name: item["max"] + 8}).json()["result"] is False
        for option in item.get("options", ()):
            assert idle.post(f"Run/{STUDIO}", {**given, name: option["value"]}).json()["result"] is True


def test_9_fields_of_one_client_are_not_shown_to_all(items):
    assert not [name for name in items if name.startswith("selected")]


# ── Tool/DetailOpenAPI (trap 26) ─────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("slug", ALL)
def test_trap_26_an_openapi_document_of_the_model(idle, slug):
    owner, _, name = slug.partition("/")
    document = idle.post("Tool/DetailOpenAPI", {"slugowner": owner, "slugproject": name}).json()

    OpenAPI.model_validate(document)
    assert document["openapi"].startswith("3.1.")
    assert document["servers"] == [{"url": f"{idle.url}/v1"}]
    assert set(document["paths"]) == {f"/Run/{slug}", "/Task/Detail", "/Task/Cancel", "/Task/Kill"}
    assert set(document) <= {"openapi", "info", "servers", "security", "paths", "components"}
    for reference in re.findall(r"'\$ref': '#/([\w/]+)'", str(document)):
        place = document
        for part in reference.split("/"):
            place = place[part]
    operations = [call["post"]["operationId"] for call in document["paths"].values()]
    assert len(set(operations)) == len(operations)


def test_trap_26_the_documents_inputs_are_the_models(idle, items):
    body = {"slugowner": "hevok", "slugproject": "studio-trigger"}
    document = idle.post("Tool/DetailOpenAPI", body).json()
    inputs = document["components"]["schemas"]["Inputs"]

    assert set(inputs["properties"]) == {*items, "callbackUrl"}
    assert inputs["required"] == ["prompt"]
    steps = inputs["properties"]["steps"]
    assert steps["anyOf"] == [{"type": "integer", "minimum": 1, "maximum": 150}, {"type": "string"}]
    assert inputs["properties"]["scheduler"]["enum"] == [each["value"] for each in items["scheduler"]["options"]]
    for name, item in items.items():
        assert inputs["properties"][name].get("default") == item.get("default")
    for example in inputs["examples"]:
        assert idle.post(f"Run/{STUDIO}", example).json()["result"] is True
