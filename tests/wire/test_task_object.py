"""The task object and the answers of Run and Detail (section 4; traps 2, 3, 7, 8, 12, 14, 15, 16, 19, 20, 22, 28)."""

import json
import re
import time

import pytest

from tests.wire.porch import BEFORE_THE_END, RUN, STATUSES, error_of

TASK_KEYS = {
    *("id", "uuid", "name", "description", "modelfolderid", "modelfileid", "callbackurl", "socketaccesstoken"),
    *("parameters", "status", "pexit", "debugoutput", "debugerror", "starttime", "endtime", "createtime"),
    *("assigntime", "accepttime", "preprocessstarttime", "preprocessendtime", "postprocessstarttime"),
    *("postprocessendtime", "canceltime", "elapsedseconds", "cps", "totalcost", "projectid", "modelid"),
    *("basemodelid", "guestid", "marketplaceid", "runtype", "categories", "size", "modelslugowner"),
    *("modelslugproject", "modeldescription", "outputs", "outputfolderid"),
}
ADDITIONS = {"attempt", "seed", "partialoutputs", "outputsremoved", "receipt", "killreceipt", "webhooks"}
NO_STRINGS = {"parameters", "outputs", "guestid", "marketplaceid"} | ADDITIONS
OUTPUT_KEYS = {
    *("id", "name", "contenttype", "parentid", "uuid", "size", "addedtime", "modifiedtime", "accesskey"),
    *("foldercount", "filecount", "ispublic", "expiretime", "url"),
}
UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
SECONDS = r"[0-9]{10}"


@pytest.fixture(scope="module")
def drawn(easel):
    return easel.finish(samples="3")


@pytest.fixture(scope="module", params=["fails_at_step:3", "out_of_memory:2", "fails_at_step:25"])
def failed(request, easel):
    """The last one fails in its third picture, after two were stored."""
    return easel.finish(prompt=f"a lake <fake:{request.param}>", samples=3, refiner="--only_base_model")


@pytest.fixture(scope="module")
def killed(easel):
    run = easel.run(prompt="a lake <fake:slow>", steps=100)
    easel.until(run["socketaccesstoken"], "task_start")
    easel.post("Task/Kill", {"taskid": run["taskid"]})
    return easel.detail(run["socketaccesstoken"])


@pytest.fixture(scope="module")
def queued(idle):
    return idle.detail(idle.run()["socketaccesstoken"])


@pytest.fixture(scope="module")
def cancelled(idle):
    run = idle.run()
    return idle.post("Task/Cancel", {"taskid": run["taskid"]}).json()["tasklist"][0]


@pytest.fixture(params=["queued", "drawn", "a_failed", "killed", "cancelled"])
def task(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def a_failed(easel):
    return easel.finish(prompt="a lake <fake:fails_at_step:3>")


def test_run_answers_with_two_strings(idle):
    answer = idle.run()

    assert set(answer) == {"errors", "taskid", "socketaccesstoken", "result"}
    assert (answer["errors"], answer["result"]) == ([], True)
    assert re.fullmatch(r"[0-9]+", answer["taskid"])  # fails on a number: trap 7
    assert re.fullmatch(r"[A-Za-z0-9]{30}", answer["socketaccesstoken"])


def test_detail_answers_with_a_list_of_one(idle):
    answer = idle.post("Task/Detail", {"taskid": idle.run()["taskid"]})

    assert set(answer.json()) == {"total", "errors", "tasklist", "result"}
    assert (answer.json()["total"], answer.json()["errors"], answer.json()["result"]) == ("1", [], True)
    assert len(answer.json()["tasklist"]) == 1
    assert answer.headers["content-type"] == "application/json"


def test_a_task_has_these_keys(task):
    expected = {"queueposition"} if task["status"] == "task_queue" else set()
    assert set(task) == TASK_KEYS | ADDITIONS | expected


def test_trap_07_scalars_are_strings(task):
    assert {key: value for key, value in task.items() if key not in NO_STRINGS and not isinstance(value, str)} == {}
    assert (task["guestid"], task["marketplaceid"], task["runtype"]) == (None, None, "model")
    for key in ("id", "projectid", "modelid", "basemodelid", "size"):
        assert re.fullmatch(r"[0-9]+", task[key]), key
    assert re.fullmatch(UUID, task["uuid"])
    assert re.fullmatch(r"[0-9]+\.[0-9]{4}", task["elapsedseconds"])
    assert re.fullmatch(r"[0-9]+\.[0-9]{12}", task["cps"])
    assert re.fullmatch(r"0|[0-9]+\.[0-9]{12}", task["totalcost"])
    assert isinstance(task["parameters"], dict)
    assert isinstance(task["outputs"], list)


def test_times_are_unix_seconds_zero_for_never_and_empty_for_unknown_start_and_end(task):
    times = [key for key in TASK_KEYS if key.endswith("time") and key not in {"starttime", "endtime"}]
    for key in times:
        assert re.fullmatch(f"{SECONDS}|0", task[key]), key
    for key in ("starttime", "endtime"):
        assert re.fullmatch(f"({SECONDS})?", task[key]), key
    assert abs(int(task["createtime"]) - time.time()) < 120


def test_the_times_of_a_drawn_task(drawn):
    order = ["createtime", "accepttime", "preprocessstarttime", "preprocessendtime", "assigntime", "starttime"]
    order += ["endtime", "postprocessstarttime", "postprocessendtime"]
    times = [int(drawn[key]) for key in order]
    assert times == sorted(times)
    assert drawn["canceltime"] == "0"
    assert float(drawn["elapsedseconds"]) > 0


def test_the_times_of_others(queued, cancelled, killed):
    assert (queued["starttime"], queued["endtime"], queued["accepttime"], queued["canceltime"]) == ("", "", "0", "0")
    assert (cancelled["starttime"], cancelled["endtime"], cancelled["accepttime"]) == ("", "", "0")
    assert re.fullmatch(SECONDS, cancelled["canceltime"])
    assert re.fullmatch(SECONDS, killed["canceltime"])
    assert killed["postprocessendtime"] == "0"


def test_the_models_names(task):
    assert (task["modelslugowner"], task["modelslugproject"]) == ("hevok", "studio-trigger")
    assert task["modeldescription"]


def test_trap_12_categories_of_a_task_are_an_array_written_as_a_string(task):
    categories = json.loads(task["categories"])

    assert "text-to-image" in categories
    assert all(isinstance(category, str) for category in categories)


# ── outputs ──────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_an_output_has_these_keys_and_types(drawn):
    for number, output in enumerate(drawn["outputs"]):
        assert set(output) == OUTPUT_KEYS
        assert (output["ispublic"], output["expiretime"]) == (0, None)
        assert type(output["ispublic"]) is int
        assert all(isinstance(output[key], str) for key in OUTPUT_KEYS - {"ispublic", "expiretime"})
        assert output["name"] == f"{number}.png"
        assert output["contenttype"] == "image/png"
        assert (output["foldercount"], output["filecount"]) == ("0", "0")
        assert re.fullmatch(r"[1-9][0-9]*", output["size"])
        assert re.fullmatch(SECONDS, output["addedtime"])
        assert re.fullmatch(UUID, output["uuid"])


def test_sizes_add_up(drawn, queued):
    assert drawn["size"] == str(sum(int(output["size"]) for output in drawn["outputs"]))
    assert queued["size"] == "0"


def test_trap_14_a_success_has_all_its_outputs(drawn):
    assert (drawn["status"], drawn["pexit"], len(drawn["outputs"])) == ("task_postprocess_end", "0", 3)


def test_trap_14_a_failure_has_none(failed):
    assert (failed["status"], failed["pexit"], failed["outputs"]) == ("task_postprocess_end", "1", [])
    assert failed["size"] == "0"
    assert failed["totalcost"] == "0"


def test_trap_14_pictures_of_a_failed_run_are_kept_apart(easel):
    failed = easel.finish(prompt="a <fake:fails_at_step:100>", samples=2, steps=99, refiner="--only_base_model")

    assert failed["outputs"] == []
    assert [output["name"] for output in failed["partialoutputs"]] in ([], ["0.png"])  # the second has just begun


def test_trap_14_a_killed_or_cancelled_task_has_none(killed, cancelled):
    for task in (killed, cancelled):
        assert (task["status"], task["pexit"], task["outputs"]) == ("task_cancel", "", [])


# ── what can be read while it runs ───────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("prompt", "pexit"),
    [
        ("a lake <fake:slow>", "0"),
        ("a lake <fake:floods_log>", "0"),
        ("a lake <fake:fails_at_step:3>", "1"),
        ("a lake <lora:not-here:1> <fake:out_of_memory:4>", "1"),
    ],
)
def test_traps_02_03_14_22_pexit_is_never_early_and_outputs_come_with_it(easel, prompt, pexit):
    run = easel.run(prompt=prompt, steps=5, samples=1, refiner="--only_base_model")

    seen = list(easel.poll(run["socketaccesstoken"]))

    assert {task["status"] for task in seen} <= STATUSES, "task_error and task_error_full are no statuses"
    assert len({task["status"] for task in seen}) > 1, "polled too slowly to see anything"
    for task in seen:
        early = task["status"] in BEFORE_THE_END
        assert task["pexit"] == ("" if early else pexit)
        assert len(task["outputs"]) == (1 if not early and pexit == "0" else 0)
        assert task["debugerror"] == task["debugoutput"]
        assert bool(task["debugerror"]) is (not early and pexit != "0")
        assert task["totalcost"] == "0" or not early
    assert seen[-1]["status"] == "task_postprocess_end"


def test_trap_19_the_log_stays_out_of_a_success(easel, drawn):
    flooded = easel.finish(prompt="a lake <fake:floods_log>")

    for task in (drawn, flooded):
        assert (task["debugerror"], task["debugoutput"]) == ("", "")


def test_trap_19_a_failure_says_what_went_wrong_in_both_places(failed):
    assert failed["debugerror"] == failed["debugoutput"]
    assert "fail" in failed["debugerror"] or "memory" in failed["debugerror"]
    assert "Traceback" not in failed["debugerror"]


def test_trap_19_nothing_went_wrong_with_a_cancelled_task(killed, cancelled, queued):
    for task in (killed, cancelled, queued):
        assert task["debugerror"] == task["debugoutput"]
        assert isinstance(task["debugerror"], str)


def test_trap_13_a_task_can_be_read_right_after_run(idle):
    for _ in range(10):
        assert idle.detail(idle.run()["socketaccesstoken"])["status"] == "task_queue"


def test_trap_20_run_answers_at_once_while_another_draws(easel):
    slow = easel.run(prompt="a lake <fake:slow>", steps=100)
    easel.until(slow["socketaccesstoken"], "task_start")
    runs = []
    for _ in range(3):
        before = time.monotonic()
        runs.append(easel.run())
        assert time.monotonic() - before < 2
    for run in (*runs, slow):
        assert easel.post("Task/Kill", run).json()["result"] is True


# ── parameters ───────────────────────────────────────────────────────────────────────────────────────────────────────
def test_parameters_are_echoed_as_they_came(idle):
    sent = {
        "prompt": " a lake, 漢字 😀 ",
        "samples": "2",
        "steps": 7,
        "scale": 4.5,
        "seed": "",
        "unknown": [1, {"a": None}],
    }

    assert idle.detail(idle.post(RUN, sent).json()["socketaccesstoken"])["parameters"] == sent


def test_trap_15_placeholders_of_the_page(easel):
    task = easel.finish(
        refiner="/* refiner value */", callbackUrl="Optional: Webhook URL for task completion notifications"
    )

    assert task["pexit"] == "0"
    assert task["callbackurl"] == ""
    assert task["parameters"]["callbackUrl"].startswith("Optional")


@pytest.mark.parametrize("refiner", ["", "yes", "--only_base_model", None, 0])
def test_trap_15_any_refiner_will_do(idle, refiner):
    assert idle.run(refiner=refiner)["result"] is True


@pytest.mark.parametrize("url", ["https://example.org/done?task=1&x=%20", "http://127.0.0.1:9/hook"])
def test_trap_28_the_callback_url_is_echoed(idle, url):
    assert idle.detail(idle.run(callbackUrl=url)["socketaccesstoken"])["callbackurl"] == url


@pytest.mark.parametrize(
    "url",
    ["", None, 5, [], {}, "example.org", "ftp://example.org/", "http://", "http://[", "http://a b/", "javascript:1"],
)
def test_trap_15_a_callback_url_that_is_none_means_no_webhook(idle, url):
    assert idle.detail(idle.run(callbackUrl=url)["socketaccesstoken"])["callbackurl"] == ""


N8N = {
    "selectedModel": "",
    "selectedModelPrivate": "",
    "selectedLoraModel": [],
    "selectedLoraModelPrivate": [],
    "selectedLoraModelPrivateUrl": "",
    "prompt": "a lake",
    "negativePrompt": "",
    **dict.fromkeys(("samples", "steps", "scale", "highNoiseFrac", "stepsRefiner", "width", "height"), 0),
    "seed": "",
    "refiner": "--only_base_model",
    "scheduler": "DDIMScheduler",
}


def test_trap_16_n8ns_body_runs_with_the_models_defaults(easel):
    run = easel.post(RUN, N8N).json()
    easel.follow(run["socketaccesstoken"])

    task = easel.detail(run["socketaccesstoken"])

    assert (task["pexit"], len(task["outputs"])) == ("0", 1)
    assert task["parameters"] == N8N


@pytest.mark.parametrize("unset", [0, "0", "", None, " ", 0.0])
@pytest.mark.parametrize("name", ["samples", "steps", "scale", "width", "height", "highNoiseFrac", "stepsRefiner"])
def test_trap_16_unset_values_mean_the_default(idle, name, unset):
    assert idle.run(**{name: unset})["result"] is True


@pytest.mark.parametrize("seed", ["", None, " ", "0", 0, "9421808", 9421808])
def test_trap_16_any_seed(idle, seed):
    assert idle.run(seed=seed)["result"] is True


def test_the_project_id_override_is_ignored(idle):
    run = idle.run(projectid="4711")

    assert idle.detail(run["socketaccesstoken"])["projectid"] != "4711"


@pytest.mark.parametrize("slug", ["Hevok/Studio-Trigger", "HEVOK/STUDIO-TRIGGER", "%68evok/studio%2Dtrigger"])
def test_slugs_in_any_case_and_percent_encoded(idle, slug):
    run = idle.run(slug)

    assert idle.detail(run["socketaccesstoken"])["modelslugproject"] == "studio-trigger"


@pytest.mark.parametrize("slug", ["hevok/nothing", "nobody/studio-trigger", "a/b"])
def test_an_unknown_model(idle, slug):
    assert error_of(idle.post(f"Run/{slug}", {"prompt": "a"})) == (1, "slug-owner-project-not-exist")
