"""What a worker draws with, and what `easel run` says about addresses and credentials that can't be used."""

import json
import logging
import socket
import stat
from pathlib import Path

import pytest

import models
from models.catalogue import Catalogue
from server.entrypoints.addresses import http_url
from server.entrypoints.drawings import choose_drawing, served_catalogue
from server.entrypoints.packages import WORKER_PACKAGES
from server.entrypoints.trouble import Trouble
from server.settings import Settings
from tests.e2e.commands import FAKE, Easels, easel_fixture, upgraded_fixture
from tests.e2e.processes import open_site
from tests.serving import serving
from tests.weights import BASE, BASE_FILES, REFINER, put, put_weights

__all__ = ["easel_fixture", "upgraded_fixture"]

CARD = Path(models.__file__).parent / "cards" / "hevok" / "studio-trigger.toml"


# ── the worker's packages and weights ────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("missing", WORKER_PACKAGES)
def test_weights_without_the_worker_extra(tmp_path: Path, missing: str):
    put_weights(tmp_path)
    settings = Settings(models_dir=str(tmp_path), engine="sdxl")
    with pytest.raises(Trouble) as raised:
        choose_drawing(settings, Catalogue.load(), lambda name: None if name == missing else "there")
    assert str(raised.value).startswith(f"{missing} can't be found: ")
    assert "easel[worker]" in str(raised.value)


def test_the_fake_engine_needs_no_package():
    assert choose_drawing(Settings(engine="fake"), Catalogue.load(), lambda _: None).models


def _own_card(folder: Path, name: str, base: str | None = None) -> Catalogue:
    """Return the catalogue with one more card, that has no refiner."""
    (folder / "cards" / "hevok").mkdir(parents=True)
    own = CARD.read_text().replace('"studio-trigger"', f'"{name}"').replace(f'["{BASE}"]', f'["{base or name}"]')
    own = own.replace(f'refiner = ["{REFINER}"]', "")
    (folder / "cards" / "hevok" / f"{name}.toml").write_text(own)
    return Catalogue.load([folder / "cards"])


def test_cards_that_are_not_drawn_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    put_weights(tmp_path)
    put(tmp_path / "inkpot", BASE_FILES)
    with caplog.at_level(logging.WARNING):
        settings = Settings(models_dir=str(tmp_path), engine="sdxl")
        drawing = choose_drawing(settings, _own_card(tmp_path, "inkpot"), lambda _: "there")
    assert "hevok/inkpot" not in drawing.models
    (said,) = [record.getMessage() for record in caplog.records if "not drawn here" in record.getMessage()]
    assert "hevok/inkpot" in said


@pytest.mark.parametrize("name", ["aaa", "zzz"])
def test_a_card_without_a_refiner_takes_it_from_nobody(tmp_path: Path, name: str):
    put_weights(tmp_path)
    settings = Settings(models_dir=str(tmp_path), engine="sdxl")
    drawing = choose_drawing(settings, _own_card(tmp_path, name, BASE), lambda _: "there")
    assert f"hevok/{name}" in drawing.models
    assert drawing.spec.refiner.endswith(REFINER)


def test_a_half_installed_model_beside_a_whole_one_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    put_weights(tmp_path)
    (tmp_path / "inkpot").mkdir()
    with caplog.at_level(logging.WARNING):
        settings = Settings(models_dir=str(tmp_path), engine="sdxl")
        drawing = choose_drawing(settings, _own_card(tmp_path, "inkpot"), lambda _: "there", miniature=True)
    assert "hevok/inkpot" not in drawing.models
    assert drawing.weights is not None
    assert not drawing.weights.miniature
    assert "inkpot/model_index.json is missing" in caplog.text


# ── the miniature ────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("setting", "command", "draws"),
    [(None, True, True), (None, False, False), (True, False, True), (False, True, False)],
)
def test_the_setting_outweighs_the_commands_default(tmp_path: Path, setting, command, draws):
    settings = Settings(data_dir=tmp_path, miniature=setting, engine="sdxl")
    steps = served_catalogue(settings, miniature=command).find("hevok", "studio-trigger").parameter("steps").default
    assert steps == (20 if draws else 60)
    if not draws:
        with pytest.raises(Trouble, match="No weights for"):
            choose_drawing(settings, Catalogue.load(), lambda _: "there", miniature=command)
        return
    drawing = choose_drawing(settings, Catalogue.load(), lambda _: "there", miniature=command)
    assert drawing.weights is not None
    assert drawing.weights.miniature
    assert set(drawing.models) == {card.slug for card in Catalogue.load()}
    assert Path(drawing.spec.base).is_absolute()


def test_defaults_are_the_real_ones_wherever_it_does_not_draw(tmp_path: Path):
    put_weights(tmp_path)
    for settings in (
        Settings(models_dir=str(tmp_path), engine="sdxl", miniature=True),
        Settings(data_dir=tmp_path / "empty", engine="fake", miniature=True),
    ):
        card = served_catalogue(settings, miniature=True).find("hevok", "studio-trigger")
        assert (card.parameter("steps").default, card.parameter("width").default) == (60, 1024)


@pytest.mark.parametrize(
    ("command", "gone"), [("up", f"{BASE}/vae/config.json"), ("worker", f"{REFINER}/model_index.json")]
)
def test_a_half_installed_model_keeps_a_server_from_starting(upgraded: Easels, command: str, gone: str):
    upgraded.ok("project", "create", "one")
    put_weights(upgraded.folder / "models")
    (upgraded.folder / "models" / gone).unlink()
    sentence = upgraded.refuses(command, EASEL_MODELS_DIR=str(upgraded.folder / "models"), EASEL_MINIATURE="1")
    assert sentence.startswith("The weights of hevok/studio-trigger are incomplete: ")
    assert f"{upgraded.folder / 'models' / gone} is missing" in sentence
    assert "easel models pull" in sentence
    listed = upgraded.ok("models", "list", EASEL_MODELS_DIR=str(upgraded.folder / "models"))
    assert "incomplete" in listed
    assert sentence in listed


# ── easel run ────────────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("url", ["http://a:b", "http://[::1", "http://.com", "http://ä..com"])
def test_run_at_a_url_that_is_none(easel: Easels, url: str):
    sentence = easel.refuses("run", "a fox", "--url", url, EASEL_API_KEY="k")
    assert sentence.startswith(f"{url} is not a server's URL: ")


@pytest.mark.parametrize("name", ["EASEL_API_KEY", "EASEL_API_SECRET"])
def test_run_with_a_key_that_cannot_be_one(easel: Easels, name: str):
    sentence = easel.refuses("run", "a fox", **{"EASEL_API_KEY": "k", name: "schlüssel"})
    assert "plain ASCII" in sentence


def test_run_at_an_ipv6_address(easel: Easels):
    assert http_url("::1", 8000) == "http://[::1]:8000"
    assert http_url("127.0.0.1", 8000) == "http://127.0.0.1:8000"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = str(taken.getsockname()[1])
    sentence = easel.refuses("run", "a fox", EASEL_API_KEY="k", EASEL_HOST="::1", EASEL_PORT=port)
    assert sentence.startswith(f"No server answers at http://[::1]:{port}: ")


def test_run_where_a_project_is_but_its_file_is_not(upgraded: Easels):
    upgraded.ok("project", "create", "one")
    sentence = upgraded.refuses("run", "a fox")
    assert "easel up" not in sentence
    assert "EASEL_API_KEY and EASEL_API_SECRET" in sentence
    assert "easel project create" in sentence


def test_run_into_a_folder_that_cannot_be_written(easel: Easels, tmp_path: Path):
    out = tmp_path / "file"
    out.write_text("in the way")
    with serving(tmp_path / "live") as live:
        account = {"EASEL_API_KEY": live.credentials.api_key, "EASEL_API_SECRET": live.credentials.api_secret or ""}
        words = ["run", "a fox", "-s", "width=64", "-s", "height=64", "--out", str(out / "deeper")]
        done = easel(*words, EASEL_PORT=str(live.port), **account)
    assert done.returncode == 1
    assert done.stderr.strip() == f"easel: {out / 'deeper'} can't be used: Not a directory."


# ── easel up ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def test_up_makes_a_project_and_a_private_file(tmp_path: Path):
    with open_site(tmp_path, **FAKE) as site:
        site.up()
    file = next(tmp_path.rglob("project.json"))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(json.loads(file.read_text())) == ["name", "apiKey", "apiSecret"]
    assert file.stat().st_size < 200
    assert not list(tmp_path.rglob("*.tmp"))
