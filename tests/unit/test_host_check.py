"""The doctor's judgement of hosts and containers, from facts; and what this machine says of itself."""

from pathlib import Path

import pytest

from server.domain.host_check import (
    DeviceFacts,
    FolderFacts,
    Verdict,
    judge_clock,
    judge_device,
    judge_folder,
    judge_shared_memory,
)
from server.entrypoints.host_facts import device_facts, folder_facts, shared_memory

CUDA = {"torch": "2.13.0+cu130", "cuda": "13.0"}
GOOD = {**CUDA, "driver": "580.95.05", "gpus": ("NVIDIA L4, 23034 MiB",)}


@pytest.mark.parametrize(
    ("facts", "verdict", "said"),
    [
        (DeviceFacts(device="auto", **GOOD), Verdict.OK, "NVIDIA L4"),
        (DeviceFacts(device="cuda:0", container=True, **GOOD), Verdict.OK, "NVIDIA L4"),
        (DeviceFacts(device="cpu", **GOOD), Verdict.NOTE, "no GPU will be used"),
        (DeviceFacts(device="auto", torch="2.13.0+cpu"), Verdict.NOTE, "no GPU will be used"),
        (DeviceFacts(device="auto", **CUDA), Verdict.NOTE, "no NVIDIA driver was found"),
        (DeviceFacts(device="cuda", **CUDA), Verdict.BAD, "set it to auto or cpu"),
        (DeviceFacts(device="cuda", container=True, **CUDA), Verdict.BAD, "docker run --gpus all"),
        (DeviceFacts(device="auto", container=True, **CUDA), Verdict.NOTE, "NVIDIA container toolkit"),
        (DeviceFacts(device="cuda", container=True, driver="580.95.05", **CUDA), Verdict.BAD, "device_ids in compose"),
        (DeviceFacts(device="cuda", driver="580.95.05", **CUDA), Verdict.BAD, "CUDA_VISIBLE_DEVICES"),
        (DeviceFacts(device="cuda", **{**GOOD, "driver": "535.183.01"}), Verdict.BAD, "install driver 580 or later"),
        (DeviceFacts(device="cuda", **{**GOOD, "driver": "580.65.06"}), Verdict.OK, "580.65.06"),
        (DeviceFacts(device="cuda", **{**GOOD, "cuda": "12.6", "driver": "535.183.01"}), Verdict.OK, "535.183.01"),
        (DeviceFacts(device="cuda", **{**GOOD, "driver": "of unknown version"}), Verdict.OK, "unknown version"),
        (DeviceFacts(device="auto", **{**GOOD, "torch": "2.13.0+cpu", "cuda": ""}), Verdict.NOTE, "can't use the GPU"),
        (DeviceFacts(device="cuda:1", **GOOD), Verdict.BAD, "only 1 GPU(s) can be seen"),
    ],
)
def test_devices(facts: DeviceFacts, verdict: Verdict, said: str):
    finding = judge_device(facts)

    assert finding.verdict is verdict, finding
    assert said in finding.sentence
    assert finding.sentence.endswith((".", ")"))


def folder(**facts) -> FolderFacts:
    usual = {"setting": "EASEL_DATA_DIR", "path": "/data", "is_folder": True, "writable": False}
    return FolderFacts(**{**usual, "owner": 0, "user": 10001, **facts})


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (folder(), "it belongs to user 0, easel runs as 10001: chown -R 10001 it on the host"),
        (folder(read_only=True), "it is mounted read-only: mount a volume there"),
        (folder(owner=10001), "/data can't be written: set EASEL_DATA_DIR to a folder that can."),
        (folder(is_folder=False, writable=True), "/data can't be written: set EASEL_DATA_DIR to a folder that can."),
    ],
)
def test_folders_that_cannot_be_written(facts: FolderFacts, said: str):
    finding = judge_folder(facts)

    assert finding is not None
    assert finding.verdict is Verdict.BAD
    assert said in finding.sentence


def test_a_folder_that_can_be_written():
    assert judge_folder(folder(writable=True)) is None


@pytest.mark.parametrize(
    ("size", "compiling", "verdict"),
    [
        (None, False, Verdict.OK),
        (64 << 20, False, Verdict.OK),
        (64 << 20, True, Verdict.NOTE),
        (1 << 30, True, Verdict.OK),
        (8 << 20, False, Verdict.NOTE),
    ],
)
def test_shared_memory(size: int | None, *, compiling: bool, verdict: Verdict):
    finding = judge_shared_memory(size, compiling=compiling)

    assert finding.verdict is verdict
    assert (verdict is Verdict.OK) == ("shm_size" not in finding.sentence)


@pytest.mark.parametrize(
    ("skew", "verdict", "said"),
    [
        (0.5, Verdict.OK, "agrees"),
        (-1.9, Verdict.OK, "agrees"),
        (5.0, Verdict.NOTE, "5 s ahead of the database's: let NTP set both"),
        (-61.0, Verdict.BAD, "61 s behind the database's: let NTP set both"),
    ],
)
def test_clocks(skew: float, verdict: Verdict, said: str):
    finding = judge_clock(skew)

    assert (finding.verdict, said in finding.sentence) == (verdict, True)


def test_this_machine_has_facts(tmp_path: Path):
    (tmp_path / "file").write_text("in the way")

    assert device_facts("auto").torch[0].isdigit()
    assert folder_facts("EASEL_DATA_DIR", tmp_path / "not" / "yet").path == str(tmp_path)
    assert judge_folder(folder_facts("EASEL_DATA_DIR", tmp_path / "not")) is None
    assert judge_folder(folder_facts("EASEL_DATA_DIR", tmp_path / "file" / "below")) is not None
    assert shared_memory() is None or shared_memory() > 0
