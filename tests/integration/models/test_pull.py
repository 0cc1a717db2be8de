"""Pulling weights from a small hub on loopback that breaks off, corrupts and refuses."""

import errno
import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.recognise import Role
from models.shipped import miniature_weights
from server.adapters.hub import HttpRemote
from server.adapters.model_store import LocalModelStore
from server.ports.pulling import PullFailed
from server.services.pull import Wish, plan_pull, pull
from tests.checkpoints import BASE, SD_15, VAE, lora, write_tensors
from tests.e2e.commands import Easels, easel_fixture
from tests.hub import FakeHub, fake_hub

__all__ = ["easel_fixture"]

BASE_ID, REFINER_ID = "stabilityai/stable-diffusion-xl-base-1.0", "stabilityai/stable-diffusion-xl-refiner-1.0"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[FakeHub]:
    """With a LoRA, a VAE, and the miniature in SDXL's place, its files named as the variant fp16 beside others."""
    with fake_hub() as opened:
        for name, folder in ((BASE_ID, miniature_weights().base), (REFINER_ID, miniature_weights().refiner)):
            opened.files[name] = {"README.md": b"#", "unet/diffusion_pytorch_model.bin": b"\x80\x02"}
            for file in sorted(path for path in folder.rglob("*") if path.is_file()):
                path = str(file.relative_to(folder))
                if path.endswith(".safetensors"):
                    opened.files[name][path] = b"the large variant"
                    path = path.replace(".safetensors", ".fp16.safetensors")
                opened.files[name][path] = file.read_bytes()
        ink = write_tensors(tmp_path / "made" / "ink.safetensors", lora(2048)).read_bytes()
        vae = write_tensors(tmp_path / "made" / "vae.safetensors", VAE).read_bytes()
        opened.files["somebody/ink"] = {"ink.safetensors": ink, "README.md": b"#"}
        opened.files["somebody/vae"] = {
            "config.json": b'{"_class_name": "AutoencoderKL"}',
            "diffusion_pytorch_model.safetensors": vae,
        }
        yield opened


@pytest.fixture
def store(tmp_path: Path) -> LocalModelStore:
    return LocalModelStore(tmp_path / "models")


def bring(hub: FakeHub, store: LocalModelStore, source: str, token: str = "", **wish):
    pauses: list[float] = []
    with HttpRemote(hub.url, token) as remote:
        plan = plan_pull(remote, store, Wish(source=source, **wish), pauses.append)
        pulled = pull(remote, store, plan, lambda _file, _here: None, pauses.append)
    return pulled, plan, pauses


def refusal(hub: FakeHub, store: LocalModelStore, source: str, **wish) -> str:
    with pytest.raises(PullFailed) as failed:
        bring(hub, store, source, **wish)
    sentence = str(failed.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence


def lock_of(tmp_path: Path) -> dict[str, dict[str, object]]:
    return json.loads((tmp_path / "models" / "models.lock").read_text())["files"]


# ── what arrives ─────────────────────────────────────────────────────────────────────────────────────────────────────
def test_an_expert_interrupted_three_times_ends_complete_and_verified(hub, store, tmp_path):
    hub.breaks = [10_000, 1_000_000, 3]
    pulled, plan, pauses = bring(hub, store, BASE_ID, role=Role.BASE)

    assert len(pauses) == 3
    assert len([ranged for _, _, ranged in hub.asked if ranged]) >= 2  # it went on where it stopped
    assert (plan.licence, pulled.recognised.role, pulled.path) == (
        "openrail++",
        Role.BASE,
        tmp_path / "models" / BASE_ID[12:],
    )
    there = {str(path.relative_to(pulled.path)) for path in pulled.path.rglob("*") if path.is_file()}
    assert there == {
        name for name, content in hub.files[BASE_ID].items()
        if not name.endswith((".md", ".bin")) and content != b"the large variant"
    }  # fmt: skip
    for name in there:
        content = hub.files[BASE_ID][name]
        assert (pulled.path / name).read_bytes() == content
        entry = lock_of(tmp_path)[f"{BASE_ID[12:]}/{name}"]
        assert (entry["size"], entry["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())


def test_a_pull_that_gave_up_goes_on_in_the_next(hub, store):
    hub.breaks = [100] + [0] * 9
    assert "what has come stays, and the same command goes on from there" in refusal(hub, store, BASE_ID)
    hub.breaks.clear()
    hub.asked.clear()
    bring(hub, store, BASE_ID)

    assert any(ranged == "bytes=100-" for _, _, ranged in hub.asked)


def test_a_server_without_ranges_starts_over(hub, store):
    hub.ranges, hub.breaks = False, [5000]

    assert bring(hub, store, BASE_ID)[0].recognised.role is Role.BASE


@pytest.mark.parametrize(
    ("source", "place"),
    [("somebody/ink", "loras/ink.safetensors"), ("somebody/vae", "vae/vae")],
)
def test_other_weights_go_where_they_are_found(hub, store, tmp_path, source, place):
    assert bring(hub, store, source)[0].path == tmp_path / "models" / place


def test_any_address_will_do(hub, store, tmp_path):
    url = f"{hub.url}/somebody/ink/resolve/main/ink.safetensors?token=secret"
    pulled, plan, _ = bring(hub, store, url, role=Role.LORA, name="Pen and Ink")

    assert (pulled.path, plan.licence) == (tmp_path / "models" / "loras" / "Pen and Ink.safetensors", "")
    assert "secret" not in json.dumps(lock_of(tmp_path))


def test_a_token_opens_what_is_gated_and_goes_to_the_hub_alone(hub, store):
    hub.gated = True
    assert "accept its conditions on its page, and set HF_TOKEN" in refusal(hub, store, "somebody/ink")
    assert bring(hub, store, "somebody/ink", token="hf_open")[0].recognised.role is Role.LORA


# ── what is refused ──────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_corrupted_file_is_removed_and_said(hub, store, tmp_path):
    hub.spoil = {"ink.safetensors"}

    assert "ink.safetensors arrived damaged" in refusal(hub, store, "somebody/ink")
    assert not list((tmp_path / "models").rglob("*.safetensors"))
    hub.spoil.clear()
    assert bring(hub, store, "somebody/ink")[0].path.is_file()


def test_a_hash_that_the_operator_gives_is_held_to(hub, store):
    assert "arrived damaged (sha256 " in refusal(hub, store, "somebody/ink", sha256="0" * 64)


def test_what_was_pulled_once_is_held_to_its_lock(hub, store):
    pulled, *_ = bring(hub, store, "somebody/ink")
    assert "is there already" in refusal(hub, store, "somebody/ink")
    pulled.path.unlink()
    changed = hub.files["somebody/ink"]["ink.safetensors"]
    hub.files["somebody/ink"]["ink.safetensors"] = changed[:-1] + b"\x01"
    assert "is another file than at its first pull" in refusal(hub, store, "somebody/ink")


@pytest.mark.parametrize(
    ("tensors", "says"),
    [
        (SD_15, "is a checkpoint of SD 1.5, not of SDXL."),
        (lora(768), "is a LoRA for Stable Diffusion 1"),
        (BASE, "not what --as lora"),
    ],
)
def test_the_wrong_kind(hub, store, tmp_path, tensors, says):
    made = write_tensors(tmp_path / "made" / "x.safetensors", tensors)
    hub.files["somebody/x"] = {"x.safetensors": made.read_bytes()}

    assert says in refusal(hub, store, "somebody/x", role=Role.LORA)


def test_no_room_is_said_before_a_byte_is_read(hub, tmp_path):
    store = LocalModelStore(tmp_path / "models", free=lambda _folder: 101_000_000)

    assert "There is no room for stable-diffusion-xl-base-1.0: 0.01 GB are to come" in refusal(hub, store, BASE_ID)
    assert not [path for _, path, _ in hub.asked if "/resolve/" in path]


class FullDisk(LocalModelStore):
    """Refuses after some bytes, as a disk does that others fill meanwhile."""

    room = 100_000

    def append(self, path, start, chunks):
        def until_full():
            for chunk in chunks:
                taken = chunk[: self.room]
                self.room -= len(taken)
                yield taken
                if len(taken) < len(chunk):
                    raise OSError(errno.ENOSPC, "No space left on device")

        super().append(path, start, until_full())


def test_a_disk_that_fills_up_meanwhile(hub, tmp_path):
    store = FullDisk(tmp_path / "models")
    sentence = refusal(hub, store, BASE_ID)
    assert sentence.startswith("The disk is full: ")
    assert "the same command goes on from there" in sentence
    store.room = 10**9
    assert bring(hub, store, BASE_ID)[0].recognised.files == 4


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("somebody/nothing", "There is no somebody/nothing"),
        ("nonsense", "is neither a repository such as owner/name nor an address"),
        ("http://example.org/x.safetensors", "is not https"),
        ("https://[/x", "is no address"),
    ],
)
def test_sources_that_are_none(hub, store, source, says):
    assert says in refusal(hub, store, source)


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (["a.safetensors", "b.safetensors"], "choose one with --file: a.safetensors, b.safetensors"),
        (["model.ckpt", "pytorch_lora_weights.bin"], "has no .safetensors file, and easel reads no others"),
        (["../../x.safetensors", "/etc/x.safetensors", ".x.safetensors"], "has no .safetensors file"),
        (
            ["model_index.json", "unet/config.json", "unet/diffusion_pytorch_model.bin"],
            "has no .safetensors file in unet/",
        ),
    ],
)
def test_repositories_without_anything_to_draw_with(hub, store, tmp_path, files, says):
    hub.files["somebody/x"] = dict.fromkeys(files, b"?")

    assert says in refusal(hub, store, "somebody/x")
    assert not list(tmp_path.rglob("x.safetensors"))


def test_one_of_several_files_is_chosen_by_name(hub, store, tmp_path):
    ink = hub.files["somebody/ink"]["ink.safetensors"]
    hub.files["somebody/x"] = {"a.safetensors": ink, "styles/b.safetensors": ink}

    assert (
        bring(hub, store, "somebody/x", file="styles/b.safetensors")[0].path == tmp_path / "models/loras/b.safetensors"
    )


# ── the command ──────────────────────────────────────────────────────────────────────────────────────────────────────
def test_from_nothing_to_a_drawable_model(easel: Easels, hub: FakeHub):
    here = {"HF_ENDPOINT": hub.url, "EASEL_MINIATURE": "0"}
    assert f"`easel models pull {BASE_ID} --as base`" in easel.ok("models", "list", **here)
    hub.breaks = [7000]
    printed = easel.ok("models", "pull", BASE_ID, "--as", "base", **here)
    assert "licence openrail++" in printed
    assert "is an SDXL base in diffusers' layout" in printed
    assert f"`easel models pull {REFINER_ID} --as refiner`" in easel.ok("models", "list", **here)
    easel.ok("models", "pull", REFINER_ID, "--as", "refiner", **here)
    assert "bring its file: easel models add FILE --name Studio-Trigger" in easel.ok("models", "list", **here)
    assert "sound, 0 not" in easel.ok("models", "verify", **here)

    unet = easel.data / "models" / BASE_ID[12:] / "unet" / "diffusion_pytorch_model.fp16.safetensors"
    content = unet.read_bytes()
    unet.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    done = easel("models", "verify", **here)
    assert done.returncode == 1
    assert f"{unet} has changed since it was pulled" in done.stdout
    shutil.rmtree(unet.parent)
    assert "unet/config.json is gone" in easel("models", "verify", **here).stdout


def test_a_pull_that_cannot_be_is_one_sentence(easel: Easels, hub: FakeHub):
    assert easel.refuses("models", "pull", "somebody/nothing", HF_ENDPOINT=hub.url).startswith(
        "There is no somebody/nothing"
    )
    assert "--as" in easel.refuses("models", "pull", "somebody/ink", "--as", "base", HF_ENDPOINT=hub.url)
    assert "64 hexadecimal digits" in easel.refuses("models", "pull", "somebody/ink", "--sha256", "12")
