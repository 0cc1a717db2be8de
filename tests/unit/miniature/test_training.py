"""The machinery of the recipe: cut off and resumed, orthogonal steps, adapters that the server reads."""

import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import save_file
from torch import nn

from pipelines.contract import LoraUse
from pipelines.lora_files import layers_of, read_lora
from tools.miniature.adapters import Adapters, lora_tensors
from tools.miniature.diffusion import add_noise, alphas_cumprod, weighted_loss
from tools.miniature.muon import Muon, orthogonal
from tools.miniature.training import Pace, Phase
from tools.miniature.unets import build_base, time_ids


def run(folder, steps, until=None):
    torch.manual_seed(0)
    phase = Phase(folder=folder, module=nn.Linear(3, 2), pace=Pace(steps=steps, rate=0.01, warm_up=2), log_every=5)
    for generator in phase.steps():
        inputs = torch.randn(4, 3, generator=generator)
        phase.learn((phase.module(inputs) - inputs[:, :2]).square().mean())
        if until == phase.step:
            phase._on_signal(15, None)
    return phase


def test_a_phase_cut_off_and_resumed_ends_as_one_that_ran_through(tmp_path):
    run(tmp_path / "cut", 20, until=7)
    resumed, whole = run(tmp_path / "cut", 20), run(tmp_path / "whole", 20)

    assert resumed.finished
    assert torch.equal(resumed.module.weight, whole.module.weight)
    assert torch.equal(resumed.ema.module.bias, whole.ema.module.bias)
    assert (tmp_path / "cut" / "log.jsonl").read_text().count("\n") == 4


def test_the_pace_warms_up_and_slows_down():
    pace = Pace(steps=1000, rate=1.0, warm_up=100)

    assert pace.rate_at(0) < 0.02
    assert pace.rate_at(100) == 1.0
    assert 0.04 < pace.rate_at(1000) < 0.06


def test_orthogonal_steps_move_all_directions_alike():
    matrix = torch.randn(8, 20, generator=torch.Generator().manual_seed(0)) * torch.logspace(-1, 1, 8)[:, None]
    values = torch.linalg.svdvals(orthogonal(matrix))

    assert values.min() > 0.3
    assert values.max() < 1.4


def test_muon_learns():
    generator = torch.Generator().manual_seed(0)
    layer = nn.Linear(6, 6)
    optimizer = Muon(layer, lr=0.005)
    inputs = torch.randn(64, 6, generator=generator)
    losses = []
    for _ in range(80):
        loss = (layer(inputs) - inputs.flip(1)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())

    assert losses[-1] < 0.05 * losses[0]


def test_the_noise_found_without_error_costs_nothing():
    latents = torch.randn(8, 4, 4, 4)
    noised = add_noise(latents, torch.Generator().manual_seed(0))
    kept = alphas_cumprod()[noised.timesteps].view(-1, 1, 1, 1)

    assert weighted_loss(noised.noise, noised)[0] == 0
    assert weighted_loss(noised.noise + 1, noised)[1] == 1
    assert torch.allclose((noised.noisy - (1 - kept).sqrt() * noised.noise) / kept.sqrt(), latents, atol=1e-4)
    assert (add_noise(latents, torch.Generator(), below=200).timesteps < 200).all()


def test_fresh_adapters_change_nothing_and_the_server_reads_them(tmp_path):
    torch.manual_seed(0)
    unet = build_base().eval()
    inputs = {
        "sample": torch.randn(1, 4, 8, 8),
        "timestep": torch.tensor([500]),
        "encoder_hidden_states": torch.randn(1, 77, unet.config["cross_attention_dim"]),
        "added_cond_kwargs": {"text_embeds": torch.randn(1, 80), "time_ids": time_ids(64, 64, 1)},
    }
    with torch.no_grad():
        before = unet(**inputs).sample
        adapters = Adapters(unet, rank=2)
        untrained = unet(**inputs).sample
        for up in adapters.ups:
            nn.init.normal_(up.weight, std=0.05)
        after = unet(**inputs).sample

    assert torch.equal(before, untrained)
    path = tmp_path / "lora.safetensors"
    save_file(lora_tensors(adapters.paths, adapters.state_dict()), path)
    torch.manual_seed(0)
    plain: UNet2DConditionModel = build_base().eval()
    lora = read_lora(LoraUse(name="x", path=str(path), weight=1.0), layers_of({"unet": plain}))
    with torch.no_grad():
        for name, layer in lora.layers["unet"].items():
            weight = plain.get_submodule(name).weight
            weight += layer.gain(weight)
        fused = plain(**inputs).sample

    assert len(lora.layers["unet"]) == len(adapters.paths)
    assert not torch.allclose(before, after, atol=1e-2)
    assert torch.allclose(after, fused, atol=2e-2)
