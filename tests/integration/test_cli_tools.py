"""`easel run`, `project`, `db`, `models` and `doctor`: what they do, and what they say when they can't."""

import hashlib
import json
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from PIL import Image

from tests.e2e.commands import CLOSED_POSTGRES, FAKE, Easels, easel_fixture, upgraded_fixture
from tests.serving import Easel, serving

__all__ = ["easel_fixture", "upgraded_fixture"]


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Easel]:
    with serving(tmp_path_factory.mktemp("live")) as opened:
        yield opened


def account(live: Easel) -> dict[str, str]:
    secret = live.credentials.api_secret
    assert secret is not None
    return {"EASEL_PORT": str(live.port), "EASEL_API_KEY": live.credentials.api_key, "EASEL_API_SECRET": secret}


# ── easel run ────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_run_without_a_server(easel: Easels):
    sentence = easel.refuses("run", "a fox", EASEL_API_KEY="k", EASEL_API_SECRET="s", EASEL_PORT="1")
    assert sentence.startswith("No server answers at http://127.0.0.1:1")
    assert "easel up" in sentence


def test_run_without_credentials(easel: Easels):
    sentence = easel.refuses("run", "a fox")
    assert str(easel.data / "project.json") in sentence
    assert "EASEL_API_KEY" in sentence


def test_run_with_a_broken_project_file(easel: Easels):
    easel.data.mkdir()
    (easel.data / "project.json").write_text("{")
    assert "can't be read as a project" in easel.refuses("run", "a fox")


def test_run_with_another_projects_key(easel: Easels, live: Easel):
    sentence = easel.refuses("run", "a fox", **{**account(live), "EASEL_API_KEY": "wrong"})
    assert sentence.startswith("The server refused Run/hevok/studio-trigger: ")


@pytest.mark.parametrize("setting", ["steps=100000", "width=wide", "nonsense"])
def test_run_with_a_refused_parameter(easel: Easels, live: Easel, setting: str):
    sentence = easel.refuses("run", "a fox", "--set", setting, **account(live))
    assert setting.partition("=")[0] in sentence


def test_run_of_an_unknown_model(easel: Easels, live: Easel):
    assert "slug-owner-project-not-exist" in easel.refuses("run", "a fox", "--model", "no/such", **account(live))


def test_run_of_a_task_that_fails(easel: Easels, live: Easel):
    done = easel("run", "a fox <fake:fails_at_step:2>", "-s", "width=64", "-s", "height=64", **account(live))
    assert done.returncode == 1
    assert done.stderr.strip() == "easel: The task failed (exit 1): The fake engine was asked to fail at step 2."


def test_run_saves_the_pictures_and_prints_their_paths(easel: Easels, live: Easel):
    sizes = ["-s", "width=64", "-s", "height=96", "-s", "steps=4", "-s", "samples=2"]
    out = easel.folder / "my pictures"
    printed = easel.ok("run", "a fox", *sizes, "--out", str(out), **account(live)).splitlines()
    paths = [Path(line) for line in printed[-2:]]
    assert sorted(paths) == sorted(out.iterdir())
    assert len(set(paths)) == 2
    for path in paths:
        with Image.open(path) as picture:
            picture.load()
            assert (picture.format, picture.size) == ("PNG", (64, 96))


# ── projects ─────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("auth", [[], ["--auth", "signature"], ["--auth", "key"]], ids=str)
def test_project_create_prints_json_once(upgraded: Easels, auth: list[str]):
    made = json.loads(upgraded.ok("project", "create", "NAME", *auth, "--json"))
    assert list(made) == ["name", "apiKey", "apiSecret"]
    assert made["name"] == "NAME"
    assert len(made["apiKey"]) >= 32
    assert (made["apiSecret"] is None) is (auth == ["--auth", "key"])
    listed = upgraded.ok("project", "list")
    assert "NAME" in listed
    assert made["apiKey"] not in listed
    assert made["apiKey"].encode() not in (upgraded.data / "easel.db").read_bytes()


def test_a_project_name_is_taken_once(upgraded: Easels):
    upgraded.ok("project", "create", "one")
    assert "exists already" in upgraded.refuses("project", "create", "one")
    assert upgraded.refuses("project", "create", "  ") == "A project needs a name."


def test_secrets_are_readable_by_their_owner_only(upgraded: Easels):
    upgraded.ok("project", "create", "one")
    assert stat.S_IMODE((upgraded.data / "secret.key").stat().st_mode) == 0o600


# ── the database, the models, the doctor ─────────────────────────────────────────────────────────────────────────────
def test_db_upgrade_works_twice(easel: Easels):
    first = easel.ok("db", "upgrade")
    assert first == easel.ok("db", "upgrade")
    assert "this release's schema" in first
    assert "one" not in easel.ok("project", "list")


def test_models_list(easel: Easels):
    listed = easel.ok("models", "list")
    assert "hevok/studio-trigger" in listed
    assert "miniature (shipped)" in listed
    assert "Studio-Trigger" in listed

    forbidden = easel.ok("models", "list", EASEL_MINIATURE="0")
    assert "none found" in forbidden
    assert "miniature (shipped)" not in forbidden
    assert "EASEL_MODELS_DIR" in forbidden


def test_the_doctor_finds_an_empty_folder_well(easel: Easels):
    report = easel.ok("doctor")
    assert " bad " not in report
    for subject in ("python", "packages", "device", "database", "disk", "weights", "port"):
        assert f"  {subject}" in report
    assert not easel.data.exists()


def test_the_doctor_finds_a_running_set_up_well(upgraded: Easels):
    assert "reachable, schema current" in upgraded.ok("doctor", **FAKE)


@pytest.mark.parametrize(
    ("settings", "subject", "says"),
    [
        ({"EASEL_DATABASE_URL": CLOSED_POSTGRES}, "database", "can't be reached"),
        ({"EASEL_DATABASE_URL": "mysql://x"}, "database", "EASEL_DATABASE_URL can't be used"),
        ({"EASEL_MODELS_DIR": "/nowhere/[at]/all"}, "weights", "/nowhere/[at]/all"),
        ({"EASEL_MINIATURE": "0"}, "weights", "No weights for"),
        ({"EASEL_CARDS_DIR": "/nowhere"}, "weights", "A model card can't be used"),
    ],
    ids=str,
)
def test_the_doctor_says_what_is_bad(easel: Easels, settings: Mapping[str, str], subject: str, says: str):
    done = easel("doctor", **settings)
    bad = [line for line in done.stdout.splitlines() if line.startswith(" bad ")]
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert len(bad) == 1, done.stdout
    assert bad[0].split()[1] == subject
    assert says in bad[0]


def test_the_doctor_reports_an_old_schema(easel: Easels):
    url = f"sqlite:///{easel.folder / 'empty.db'}"
    done = easel("doctor", EASEL_DATABASE_URL=url)
    assert done.returncode == 1
    assert "Run: easel db upgrade" in done.stdout


# ── easel refusals ───────────────────────────────────────────────────────────────────────────────────────────────────
def test_refusals_show_rules_and_a_hash_but_no_text(easel: Easels, live: Easel):
    live.post("Run/hevok/studio-trigger", {"prompt": "a toddler, nudity"})
    shown = easel.ok(
        "refusals", "list", "--project", "default", EASEL_DATA_DIR=str(live.settings.data_dir), COLUMNS="250"
    )
    assert "minor.child.en" in shown
    assert "sexual.nudity.en" in shown
    assert hashlib.sha256(b"a toddler, nudity").hexdigest() in shown
    assert "toddler" not in shown


def test_refusals_of_an_unknown_project(upgraded: Easels):
    assert "easel project list" in upgraded.refuses("refusals", "list", "--project", "nobody")
