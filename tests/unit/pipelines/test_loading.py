import socket

import pytest
import torch

from pipelines.loading import load_weights, unet_dtype
from tests.random_sdxl import write_random_sdxl


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*_args, **_kwargs):
        raise AssertionError("loading must not look anything up")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_loading_asks_no_network_and_reads_safetensors_alone(tmp_path, no_network):
    write_random_sdxl(tmp_path)
    weights = load_weights(tmp_path / "base", tmp_path / "refiner", torch.device("cpu"), lambda _what, _fraction: None)
    assert weights.refiner is not None
    assert weights.base.unet.dtype is torch.float32
    (tmp_path / "base" / "unet" / "diffusion_pytorch_model.safetensors").rename(tmp_path / "away")
    torch.save({}, tmp_path / "base" / "unet" / "diffusion_pytorch_model.bin")
    with pytest.raises(OSError, match="diffusion_pytorch_model"):
        load_weights(tmp_path / "base", None, torch.device("cpu"), lambda _what, _fraction: None)


def test_a_folder_of_half_precision_files_is_loaded(tmp_path):
    write_random_sdxl(tmp_path)
    for path in (tmp_path / "base").rglob("*.safetensors"):
        path.rename(path.with_suffix(".fp16.safetensors"))
    weights = load_weights(tmp_path / "base", None, torch.device("cpu"), lambda _what, _fraction: None)
    assert weights.base.unet.dtype is torch.float32


def test_another_vae_in_the_refiners_folder_is_loaded_beside_the_bases(tmp_path):
    write_random_sdxl(tmp_path)
    write_random_sdxl(tmp_path / "other", seed=1)
    (tmp_path / "refiner" / "vae").rename(tmp_path / "old")
    (tmp_path / "other" / "refiner" / "vae").rename(tmp_path / "refiner" / "vae")
    weights = load_weights(tmp_path / "base", tmp_path / "refiner", torch.device("cpu"), lambda _what, _fraction: None)
    assert weights.refiner is not None
    assert weights.refiner.vae is not weights.base.vae
    assert weights.refiner.text_stages[-1].text_encoder is weights.base.text_stages[-1].text_encoder


def test_half_precision_is_for_gpus():
    assert unet_dtype(torch.device("cpu")) is torch.float32
    assert unet_dtype(torch.device("cuda")) is torch.float16
