import socket

import pytest
import torch

from pipelines.loading import Manner
from tests.random_sdxl import write_random_sdxl
from tests.unit.pipelines.loads import load


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*_args, **_kwargs):
        raise AssertionError("loading must not look anything up")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_loading_asks_no_network_and_reads_safetensors_alone(tmp_path, no_network):
    write_random_sdxl(tmp_path)
    weights = load(tmp_path, refiner=True)
    assert weights.refiner is not None
    assert weights.base.unet.dtype is torch.float32
    (tmp_path / "base" / "unet" / "diffusion_pytorch_model.safetensors").rename(tmp_path / "away")
    torch.save({}, tmp_path / "base" / "unet" / "diffusion_pytorch_model.bin")
    with pytest.raises(OSError, match="diffusion_pytorch_model"):
        load(tmp_path)


def test_a_folder_of_half_precision_files_is_loaded(tmp_path):
    write_random_sdxl(tmp_path)
    for path in (tmp_path / "base").rglob("*.safetensors"):
        path.rename(path.with_suffix(".fp16.safetensors"))
    weights = load(tmp_path)
    assert weights.base.unet.dtype is torch.float32


def test_another_vae_in_the_refiners_folder_is_loaded_beside_the_bases(tmp_path):
    write_random_sdxl(tmp_path)
    write_random_sdxl(tmp_path / "other", seed=1)
    (tmp_path / "refiner" / "vae").rename(tmp_path / "old")
    (tmp_path / "other" / "refiner" / "vae").rename(tmp_path / "refiner" / "vae")
    weights = load(tmp_path, refiner=True)
    assert weights.refiner is not None
    assert weights.refiner.vae is not weights.base.vae
    assert weights.refiner.text_stages[-1].text_encoder is weights.base.text_stages[-1].text_encoder


@pytest.mark.parametrize(("precision", "vae"), [("float16", torch.float32), ("bfloat16", torch.bfloat16)])
def test_a_precision_that_is_asked_for_is_loaded(tmp_path, precision, vae):
    """The VAE of the folder overflows in float16, and says so."""
    write_random_sdxl(tmp_path)
    weights = load(tmp_path, manner=Manner(precision=precision))
    assert weights.base.unet.dtype is getattr(torch, precision)
    assert weights.base.text_stages[0].text_encoder.dtype is getattr(torch, precision)
    assert weights.base.vae.dtype is vae


def test_a_precision_that_doesnt_exist_is_said(tmp_path):
    write_random_sdxl(tmp_path)
    with pytest.raises(ValueError, match="no precision"):
        load(tmp_path, manner=Manner(precision="int8"))
