"""What clients send to Run, and what the checked values must be: written from the wire contract."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.card import Card
from models.catalogue import Catalogue
from models.noise_schedulers import NOISE_SCHEDULERS
from models.parameters import RANDOM_SEEDS, ParameterError, check, random_seed

DRAWN = 77

# Wire contract, "A request in the form of the model page", as pasted.
PAGE_BODY = """
    {"prompt": "<lora:Studio-Trigger:1.0>, masterpiece, dynamic lighting, (dark fantasy), close up, a woman at the edge of a lake, whispering …",
     "negativePrompt": "score_4, unfinished, sketch, blurry, low quality, (watermark, signature, artist name), lettering, …",
     "samples": "4", "steps": "60", "scale": "4", "highNoiseFrac": "0.8", "stepsRefiner": "20", "seed": "9421808",
     "width": "1024", "height": "1024", "refiner": "/* refiner value */", "scheduler": "EulerDiscreteScheduler",
     "callbackUrl": "Optional: Webhook URL for task completion notifications"}
"""  # noqa: E501

DEFAULTS = {
    "prompt": "a lake",
    "negativePrompt": "",
    "samples": 1,
    "width": 1024,
    "height": 1024,
    "seed": DRAWN,
    "steps": 60,
    "scale": 4.0,
    "scheduler": "EulerDiscreteScheduler",
    "refiner": "",
    "highNoiseFrac": 0.8,
    "stepsRefiner": 20,
}


def checked(card: Card, **sent: object) -> dict[str, str | int | float]:
    return check(card, {"prompt": "a lake"} | sent, lambda: DRAWN)


def refusal(card: Card, **sent: object) -> str:
    with pytest.raises(ParameterError) as caught:
        checked(card, **sent)
    return str(caught.value)


def test_the_model_pages_body_runs_as_pasted(card):
    body = json.loads(PAGE_BODY)

    assert check(card, body) == {
        "prompt": body["prompt"],
        "negativePrompt": body["negativePrompt"],
        "samples": 4,
        "width": 1024,
        "height": 1024,
        "seed": 9421808,
        "steps": 60,
        "scale": 4.0,
        "scheduler": "EulerDiscreteScheduler",
        "refiner": "",
        "highNoiseFrac": 0.8,
        "stepsRefiner": 20,
    }


def test_a_prompt_alone_is_enough(card):
    assert checked(card) == DEFAULTS


def test_n8ns_body_with_unset_fields_means_the_defaults(card):
    n8n = {
        "selectedModel": "",
        "selectedModelPrivate": "",
        "selectedLoraModel": [],
        "selectedLoraModelPrivate": [],
        "selectedLoraModelPrivateUrl": "",
        "negativePrompt": "",
        "samples": 0,
        "steps": 0,
        "scale": 0,
        "highNoiseFrac": 0,
        "stepsRefiner": 0,
        "seed": "",
        "width": 0,
        "height": 0,
        "refiner": "--only_base_model",
        "scheduler": "DDIMScheduler",
    }

    expected = DEFAULTS | {"stepsRefiner": 60, "refiner": "--only_base_model", "scheduler": "DDIMScheduler"}
    assert checked(card, **n8n) == expected


@pytest.mark.parametrize("name", ["samples", "steps", "scale", "highNoiseFrac", "width", "height"])
@pytest.mark.parametrize("zero", [0, 0.0, -0.0, "0", "0.0", " 0 ", "-0"])
def test_zero_means_the_default(card, name, zero):
    assert checked(card, **{name: zero}) == DEFAULTS


@pytest.mark.parametrize("name", [name for name in DEFAULTS if name not in {"prompt", "stepsRefiner"}])
@pytest.mark.parametrize("nothing", [None, "", "  ", "/* value */", " /**/ "])
def test_null_empty_and_placeholder_mean_the_default(card, name, nothing):
    assert checked(card, **{name: nothing}) == DEFAULTS


@pytest.mark.parametrize(
    ("sent", "expected"),
    [(0, 33), ("0", 33), ("", 33), ("  ", 33), (None, 20), ("/* stepsRefiner value */", 20), ("7", 7)],
)
def test_refiner_steps_of_zero_or_empty_are_as_many_as_steps(card, sent, expected):
    assert checked(card, steps="33", stepsRefiner=sent)["stepsRefiner"] == expected


@pytest.mark.parametrize("sent", [60, 60.0, "60", "60.0", " 60 ", "60.", "+60", "060", "6e1", "6.0E+1"])
def test_whole_numbers_in_any_spelling_become_int(card, sent):
    steps = checked(card, steps=sent)["steps"]

    assert (steps, type(steps)) == (60, int)


@pytest.mark.parametrize("sent", [7, 7.0, "7", "7.0", "\t7\n"])
def test_floats_in_any_spelling_become_float(card, sent):
    scale = checked(card, scale=sent)["scale"]

    assert (scale, type(scale)) == (7.0, float)


NO_NUMBERS = [
    "١٢", "²", "1_0", "NaN", "nan", "inf", "-Infinity", "1e400", "0x10", "1,5", "1 0", "four", "--4", ".", "e1", "4\0",
    float("nan"), float("inf"), True, False, [], [4], {}, {"value": 4}, b"4", "9" * 5000,
]  # fmt: skip


@pytest.mark.parametrize("name", ["samples", "steps", "scale", "highNoiseFrac", "stepsRefiner", "seed", "width"])
@pytest.mark.parametrize("sent", NO_NUMBERS, ids=lambda sent: repr(sent)[:20])
def test_what_is_no_number_is_refused_in_wiros_words(card, name, sent):
    assert refusal(card, **{name: sent}) == f"Request parameter [{name}] must be integer or float"


@pytest.mark.parametrize("name", ["samples", "steps", "stepsRefiner", "seed", "height"])
def test_a_fraction_where_a_whole_number_belongs_is_refused(card, name):
    assert refusal(card, **{name: "8.5"}) == f"Request parameter [{name}] must be an integer"


@pytest.mark.parametrize(
    ("name", "sent", "bounds"),
    [
        ("samples", 10**9, "1 and 8"),
        ("samples", "9", "1 and 8"),
        ("samples", -1, "1 and 8"),
        ("steps", "151", "1 and 150"),
        ("stepsRefiner", -1, "0 and 150"),
        ("scale", 30.5, "0 and 30"),
        ("scale", "-1e-9", "0 and 30"),
        ("highNoiseFrac", "1.01", "0 and 1"),
        ("width", 63, "64 and 2048"),
        ("height", "2056", "64 and 2048"),
        ("seed", 2**63, "0 and 9223372036854775807"),
        ("seed", "9" * 64, "0 and 9223372036854775807"),
        ("seed", 1e300, "0 and 9223372036854775807"),
    ],
)
def test_what_is_out_of_range_is_refused_in_wiros_words(card, name, sent, bounds):
    assert refusal(card, **{name: sent}) == f"Request parameter [{name}] must be between {bounds}"


@pytest.mark.parametrize(("name", "bounds"), [("steps", "1 and 150"), ("scale", "0 and 30"), ("samples", "1 and 8")])
def test_integers_too_long_to_print_are_out_of_range(card, name, bounds):
    assert refusal(card, **{name: 10**5000}) == f"Request parameter [{name}] must be between {bounds}"


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("samples", 1),
        ("samples", 8),
        ("steps", 1),
        ("steps", 150),
        ("stepsRefiner", 150),
        ("scale", 30.0),
        ("scale", 1e-9),
        ("highNoiseFrac", 1.0),
        ("width", 64),
        ("height", 2048),
        ("seed", 0),
        ("seed", 2**63 - 1),
    ],
)
def test_bounds_belong_to_the_range(card, name, sent):
    assert checked(card, **{name: sent})[name] == sent


@pytest.mark.parametrize("name", ["width", "height"])
@pytest.mark.parametrize("sent", [1023, "1020", 100.0])
def test_sides_are_multiples_of_eight(card, name, sent):
    assert refusal(card, **{name: sent}) == f"Request parameter [{name}] must be a multiple of 8"


@pytest.mark.parametrize(
    ("sent", "seed"),
    [
        ("9421808", 9421808),
        (9421808, 9421808),
        ("0", 0),
        ("9223372036854775807", 2**63 - 1),
        ("9223372036854775807.0", 2**63 - 1),
        (-1, DRAWN),
        ("-1", DRAWN),
        ("-99999999999999999999", DRAWN),
    ],
)
def test_seeds_are_kept_and_negative_ones_drawn(card, sent, seed):
    assert checked(card, seed=sent)["seed"] == seed


def test_no_seed_is_drawn_when_one_was_sent(card):
    def refuse() -> int:
        raise AssertionError("drawn in vain")

    assert check(card, {"prompt": "a lake", "seed": 5}, refuse)["seed"] == 5


def test_drawn_seeds_differ_and_fit():
    seeds = {random_seed() for _ in range(50)}

    assert len(seeds) > 40
    assert all(0 <= seed < RANDOM_SEEDS for seed in seeds)


@pytest.mark.parametrize("sent", ["YES", "true", "unknown", "/* refiner value */", True, 1, float("nan")])
def test_an_unknown_refiner_means_the_cards_default(card, sent):
    assert checked(card, refiner=sent)["refiner"] == ""


def test_only_base_model_leaves_the_refiner_out(card):
    assert checked(card, refiner=" --only_base_model ")["refiner"] == "--only_base_model"


@pytest.mark.parametrize("sent", ["Nothing", "Euler 2", "DPM++", "+", 4, True, "\ud800"])
def test_an_unknown_scheduler_is_refused_with_the_choices(card, sent):
    said = refusal(card, scheduler=sent)
    assert said == f"Request parameter [scheduler] must be one of: {', '.join(NOISE_SCHEDULERS)}"
    assert said.startswith("Request parameter [scheduler] must be one of: EulerDiscreteScheduler, DDIMScheduler, LMS")


@pytest.mark.parametrize(
    ("sent", "value"),
    [
        ("Euler", "EulerDiscreteScheduler"),
        ("eulerdiscretescheduler", "EulerDiscreteScheduler"),
        ("euler a", "EulerAncestralDiscreteScheduler"),
        ("DPM++ 2M", "DPMSolverMultistepScheduler"),
        ("dpmpp_2m", "DPMSolverMultistepScheduler"),
        ("DPM++ 2M Karras", "DPM++ 2M Karras"),
        ("dpmpp_2m_sde_karras", "DPM++ 2M SDE Karras"),
        ("DPM++ 2M SGM Uniform", "DPM++ 2M trailing"),
        ("uni_pc", "UniPC"),
        ("UniPCMultistepScheduler", "UniPC"),
        ("DPM2 Karras", "KDPM2 Karras"),
        ("HeunDiscreteScheduler", "Heun"),
        ("ddim", "DDIMScheduler"),
    ],
)
def test_schedulers_are_known_under_the_names_their_users_write(card, sent, value):
    assert checked(card, scheduler=sent)["scheduler"] == value


def test_no_spelling_means_two_schedulers(card):
    scheduler = card.parameter("scheduler")
    for option in scheduler.options:
        for text in (option.value, option.label, *option.aliases):
            assert [it.value for it in scheduler.options if it.means(text)] == [option.value]


@pytest.mark.parametrize("sent", [None, "", " \n\t ", "/* prompt value */", "\u00a0"])
def test_a_blank_prompt_is_missing(card, sent):
    assert refusal(card, prompt=sent) == "Request parameter [prompt] required"


def test_an_absent_prompt_is_missing(card):
    with pytest.raises(ParameterError, match=r"^Request parameter \[prompt\] required$") as caught:
        check(card, {})

    assert (caught.value.name, caught.value.reason) == ("prompt", "required")


@pytest.mark.parametrize("name", ["prompt", "negativePrompt", "scheduler", "refiner"])
@pytest.mark.parametrize("sent", [["a", "b"], [], {"a": 1}, b"a"])
def test_what_is_no_text_is_refused(card, name, sent):
    assert refusal(card, **{name: sent}) == f"Request parameter [{name}] must be text"


@pytest.mark.parametrize("sent", [True, float("nan"), 10**5000], ids=["bool", "nan", "huge"])
def test_what_can_not_be_written_out_is_no_prompt(card, sent):
    assert refusal(card, prompt=sent) == "Request parameter [prompt] must be text"


@pytest.mark.parametrize(
    ("sent", "text"), [(1984, "1984"), (1.5, "1.5"), ("1984", "1984"), ("  a lake\n", "a lake"), ("湖 🦊", "湖 🦊")]
)
def test_prompts_are_trimmed_and_numbers_written_out(card, sent, text):
    assert checked(card, prompt=sent)["prompt"] == text


@pytest.mark.parametrize("sent", ["a\0b", "a\ud800b", "a\udfff"], ids=["nul", "high", "low"])
def test_text_that_can_not_be_stored_is_refused(card, sent):
    assert refusal(card, negativePrompt=sent) == (
        "Request parameter [negativePrompt] must be valid text, without NUL characters or lone surrogates"
    )


@pytest.mark.parametrize("name", ["prompt", "negativePrompt"])
def test_prompts_end_at_ten_thousand_characters(card, name):
    assert checked(card, **{name: "é" * 10000})[name] == "é" * 10000
    assert refusal(card, **{name: "é" * 10001}) == f"Request parameter [{name}] must be at most 10000 characters"


@pytest.mark.parametrize("sent", ["/* a */ lake /* b */", "a /* lake */", "/* lake", "/*/"])
def test_a_comment_that_is_not_all_of_the_prompt_is_text(card, sent):
    assert checked(card, prompt=sent)["prompt"] == sent


@pytest.mark.parametrize("sent", [None, [], {}, "\0", float("nan"), [["deep"]]])
def test_unknown_keys_are_ignored(card, sent):
    assert checked(card, somethingElse=sent) == DEFAULTS


@pytest.mark.parametrize("name", ["selectedModel", "selectedLoraModel", "selectedLoraModelPrivateUrl"])
@pytest.mark.parametrize("sent", [None, [], "", " ", [""], [None], {}, "\0", float("nan"), [["deep"]], "x" * 2001])
def test_nothing_sent_as_a_selection_is_refused(card, name, sent):
    assert checked(card, **{name: sent}) == DEFAULTS


@pytest.mark.parametrize(
    ("sent", "value"),
    [("ink", "ink"), (["ink"], "ink"), ([" ink ", "", None, "wash"], "ink\nwash"), (["a\nb", 7], "a\nb\n7")],
)
def test_selections_stand_on_lines_of_their_own(card, sent, value):
    assert checked(card, selectedLoraModel=sent) == DEFAULTS | {"selectedLoraModel": value}


def test_selections_end_at_their_length(card):
    assert checked(card, selectedLoraModel=["a" * 1000, "b" * 1000, "c"])["selectedLoraModel"] == f"{'a' * 1000}\nc"


def test_the_general_documentations_name_of_the_negative_prompt(card):
    assert checked(card, negative_prompt="fog")["negativePrompt"] == "fog"
    assert checked(card, negative_prompt="fog", negativePrompt=" ")["negativePrompt"] == "fog"
    assert checked(card, negative_prompt="fog", negativePrompt="rain")["negativePrompt"] == "rain"
    assert checked(card, negative_prompt="")["negativePrompt"] == ""


def test_bombs_are_answered_quickly(card):
    started = time.perf_counter()
    for bomb in ["9" * 1_000_000, "0." + "0" * 1_000_000, "1e" + "9" * 1_000_000, " " * 1_000_000 + "x"]:
        refusal(card, steps=bomb)

    assert time.perf_counter() - started < 1


def test_every_cards_defaults_pass_their_own_schema(catalogue: Catalogue):
    for card in catalogue:
        defaults = {each.id: each.default for each in card.shown_parameters if each.default is not None}
        values = checked(card, **defaults)

        resolved = {each.id: values[each.same_as] for each in card.parameters if each.same_as and each.default == 0}
        assert values == defaults | {"prompt": "a lake", "seed": DRAWN} | resolved, card.slug


def test_every_schedulers_name_is_taken(card):
    scheduler = card.parameter("scheduler")
    assert scheduler is not None
    assert scheduler.choices == tuple(NOISE_SCHEDULERS)
    for name in scheduler.choices:
        assert checked(card, scheduler=name)["scheduler"] == name


numbers = st.one_of(st.integers(), st.floats(), st.sampled_from(["0", "-1", "6e1", "1_0", "²", "8.0", "9" * 30]))
scalars = st.one_of(st.none(), st.booleans(), numbers, st.text(st.characters(codec=None)), st.binary())
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3), max_leaves=6
)


@given(st.dictionaries(st.one_of(st.sampled_from(list(DEFAULTS)), st.text()), anything, max_size=14))
def test_anything_is_either_refused_or_within_the_schema(card, raw):
    try:
        values = check(card, {"prompt": "a lake"} | raw, lambda: DRAWN)
    except ParameterError:
        return
    for parameter in card.shown_parameters:
        value = values[parameter.id]
        if parameter.number is None:
            assert isinstance(value, str)
            value.encode()
        else:
            assert type(value) is (int if parameter.number == "int" else float)
            assert parameter.minimum <= value <= parameter.maximum
            assert value % (parameter.multiple_of or 1) == 0 or parameter.number == "float"
    assert values.keys() == DEFAULTS.keys()
    assert check(card, values) == values
