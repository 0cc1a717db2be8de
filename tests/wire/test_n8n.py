"""What the stock n8n nodes send (sections 2, 3.1 and 10; traps 4 and 16), under the aliases they send it to."""

import time

import pytest

from tests.serving import signed

PLAIN = "wiro/text-to-image-sdxl"
LORAXL = "wiro/text-to-image-sdxl-loraxl"
UNSET = {
    "prompt": "a small red circle",
    "negativePrompt": "",
    "selectedModel": "",
    "selectedModelPrivate": "",
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
LORAS_UNSET = {"selectedLoraModel": [], "selectedLoraModelPrivate": [], "selectedLoraModelPrivateUrl": ""}
SMALL = {"width": 64, "height": 64, "steps": 4, "samples": 1}


def node(easel, slug, body):
    """Run the node as n8n does: sign once, post, poll with the same nonce; return the task object."""
    headers = signed(easel.credentials, str(int(time.time())))
    answer = easel.post(f"Run/{slug}", body, headers=headers).json()
    assert answer["taskid"]
    assert answer["socketaccesstoken"]
    for _ in range(600):
        task = easel.post("Task/Detail", {"tasktoken": answer["socketaccesstoken"]}, headers=headers).json()[
            "tasklist"
        ][0]
        if task["status"] in {"task_postprocess_end", "task_cancel"}:
            return task
        time.sleep(0.05)
    raise TimeoutError


def log_of(easel, task):
    frames = easel.follow(task["socketaccesstoken"])
    [full] = [frame for frame in frames if frame["type"] == "task_output_full"]
    return full["message"]["raw"]


@pytest.mark.parametrize(("slug", "body"), [(PLAIN, UNSET), (LORAXL, {**UNSET, **LORAS_UNSET})])
def test_a_node_with_nothing_filled_in_but_the_prompt(easel, slug, body):
    task = node(easel, slug, body)

    assert [output["url"][:4] for output in task["outputs"]] == ["http"], "n8n calls it failed without an output"
    assert task["parameters"] == body
    assert f"{task['modelslugowner']}/{task['modelslugproject']}" == slug
    assert "selected" not in log_of(easel, task)


@pytest.mark.parametrize("chosen", ["ink", ["ink"], ["me/ink"]])
def test_a_lora_that_is_not_there_is_told_and_the_node_goes_on(easel, chosen):
    task = node(easel, LORAXL, {**UNSET, **LORAS_UNSET, **SMALL, "selectedLoraModel": chosen})

    assert task["outputs"]
    assert "LoRA 'ink' is not installed here and was ignored." in log_of(easel, task)


def test_what_cant_be_followed_is_told_and_the_node_goes_on(easel):
    selected = {
        "selectedModel": "me/other",
        "selectedModelPrivate": "mine",
        "selectedLoraModelPrivate": ["private"],
        "selectedLoraModelPrivateUrl": "https://example.org/lora.safetensors",
    }
    task = node(easel, LORAXL, {**UNSET, **SMALL, **selected})

    log = log_of(easel, task)
    assert task["outputs"]
    assert all(f"{name} " in log for name in selected if name != "selectedLoraModelPrivate")
    assert "LoRA 'private' is not installed here" in log


def test_conflicts_table_negative_prompt_under_its_other_name(easel):
    task = node(easel, PLAIN, {"prompt": "a lake", "negative_prompt": "<lora:ink:heavy>", **SMALL})

    assert task["outputs"]
    assert "negativePrompt: <lora:ink:heavy> was ignored" in log_of(easel, task)


def test_3_3_the_list_is_filtered_by_the_slug_that_was_used(idle):
    headers = signed(idle.new_project("n8n"))
    for slug in (PLAIN, LORAXL, LORAXL, "stabilityai/stable-diffusion-xl-base-1.0"):
        assert idle.post(f"Run/{slug}", UNSET, headers=headers).json()["result"] is True

    def listed(name):
        tasks = idle.post("Task/List", {"modelName": name}, headers=headers).json()["tasklist"]
        return [task["modelslugproject"] for task in tasks]

    assert listed("loraxl") == ["text-to-image-sdxl-loraxl"] * 2
    assert listed("wiro/") == ["text-to-image-sdxl-loraxl"] * 2 + ["text-to-image-sdxl"]
    assert listed("Text to Image SDXL") == ["text-to-image-sdxl-loraxl"] * 2 + ["text-to-image-sdxl"]
    assert listed("stable-diffusion") == ["stable-diffusion-xl-base-1.0"]
