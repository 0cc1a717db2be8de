"""Previews: what a picture will be is told from one step, and painted in its colours."""

from functools import partial

import pytest
import torch
from torch.nn import functional

from models.shipped import miniature_weights
from models.weights import WeightSet
from pipelines.contract import Finished, Phase, Preview, Stepped
from pipelines.decoding import decode
from pipelines.loading import Expert, load_weights
from pipelines.noise_schedulers import NOISE_SCHEDULERS, build_noise_scheduler
from pipelines.preview import MAX_SIDE, LatentColours, Outlook, Previewer
from pipelines.watching import Watching

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning",
    "ignore:__array_wrap__ must accept context:DeprecationWarning",
)


@pytest.fixture(scope="module")
def base() -> Expert:
    weights = miniature_weights()
    assert isinstance(weights, WeightSet)
    return load_weights(weights.base, None, torch.device("cpu"), lambda _what, _fraction: None).base


def stepped(sample: int = 0) -> Stepped:
    return Stepped("g1", Phase.BASE, sample, 1, 2)


@pytest.mark.parametrize("name", NOISE_SCHEDULERS)
@pytest.mark.parametrize("place", [0, 5, 9])
def test_the_end_is_told_from_one_step_if_its_noise_is_known(name, place, base):
    scheduler = build_noise_scheduler(name, base.scheduler_config)
    scheduler.set_timesteps(10)
    clean, noise = torch.randn(2, 1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    place -= place % scheduler.order  # second-order ones end there, and look around in between
    timestep = scheduler.timesteps[place]
    if hasattr(scheduler, "sigmas") and scheduler.init_noise_sigma != 1:
        latents = clean + scheduler.sigmas[place] * noise
    else:
        alpha = scheduler.alphas_cumprod[int(timestep)]
        latents = alpha.sqrt() * clean + (1 - alpha).sqrt() * noise

    told = Outlook(scheduler, latents, timestep, noise).clean()

    # of numbers around 1; timesteps between two whole ones are read off a line
    assert float((told - clean).abs().mean()) < 1e-2


def test_a_model_that_predicts_velocity_is_understood(base):
    scheduler = build_noise_scheduler("DDIMScheduler", {**base.scheduler_config, "prediction_type": "v_prediction"})
    scheduler.set_timesteps(10)
    clean, noise = torch.randn(1, 4, 8, 8), torch.randn(1, 4, 8, 8)
    alpha = scheduler.alphas_cumprod[int(scheduler.timesteps[3])]
    latents = alpha.sqrt() * clean + (1 - alpha).sqrt() * noise
    velocity = alpha.sqrt() * noise - (1 - alpha).sqrt() * clean

    assert torch.allclose(Outlook(scheduler, latents, scheduler.timesteps[3], velocity).clean(), clean, atol=1e-4)


def test_colours_come_nearer_to_what_the_vae_decodes_than_a_guess_could(base):
    generator = torch.Generator().manual_seed(7)
    coarse = torch.randn(1, 4, 4, 4, generator=generator)
    latents = functional.interpolate(coarse, size=(16, 16), mode="bicubic")
    pixels = torch.frombuffer(bytearray(decode(base.vae, latents)), dtype=torch.uint8).view(128, 128, 3).float()
    wanted = functional.avg_pool2d(pixels.permute(2, 0, 1), 8).permute(1, 2, 0)

    width, height, rgb = LatentColours(base.vae, partial(decode, base.vae)).paint(latents)

    painted = torch.frombuffer(bytearray(rgb), dtype=torch.uint8).view(height, width, 3).float()
    unexplained = ((painted - wanted) ** 2).sum() / ((wanted - wanted.mean((0, 1))) ** 2).sum()
    assert unexplained < 0.6


def test_a_preview_is_bounded_and_broken_latents_are_black(base):
    colours = LatentColours(base.vae, partial(decode, base.vae))
    width, height, rgb = colours.paint(torch.zeros(1, 4, 100, 400))
    assert (width, height) == (MAX_SIDE, MAX_SIDE // 4)
    assert len(rgb) == width * height * 3
    assert colours.paint(torch.full((1, 4, 2, 2), torch.nan))[2] == bytes(12)


def test_a_preview_that_fails_costs_no_picture_and_ends_the_watching(base):
    previewer = Previewer(base.vae, partial(decode, base.vae))
    previewer.watch("g1", 0.0)
    scheduler = build_noise_scheduler("DDIMScheduler", base.scheduler_config)
    wrong = Outlook(scheduler, torch.zeros(1, 5, 8, 8), torch.tensor(1.0), torch.zeros(1, 5, 8, 8))
    right = Outlook(scheduler, torch.zeros(1, 4, 8, 8), torch.tensor(1.0), torch.zeros(1, 4, 8, 8))

    assert previewer.after([stepped()], lambda _: wrong) == []
    assert previewer.after([stepped()], lambda _: right) == []
    previewer.watch("g1", 0.0)
    assert [type(event) for event in previewer.after([stepped()], lambda _: right)] == [Preview]
    assert previewer.after([Finished("g1")], lambda _: right) == []
    assert previewer.after([stepped()], lambda _: right) == []


@pytest.mark.parametrize(("side", "decoded"), [(MAX_SIDE // 8, True), (MAX_SIDE // 8 + 1, False)])
def test_a_small_picture_is_shown_as_it_would_be_decoded(base, side: int, *, decoded: bool):
    previewer = Previewer(base.vae, partial(decode, base.vae))
    previewer.watch("g1", 0.0)
    scheduler = build_noise_scheduler("DDIMScheduler", base.scheduler_config)
    latents = torch.randn(1, 4, side, side, generator=torch.Generator().manual_seed(3))
    outlook = Outlook(scheduler, latents, torch.tensor(1.0), torch.zeros_like(latents))

    (preview,) = previewer.after([stepped()], lambda _: outlook)

    assert (preview.rgb == decode(base.vae, outlook.clean())) is decoded
    assert (preview.width, preview.height) == ((side * 8, side * 8) if decoded else (side, side))


def test_the_pace_is_kept():
    now = 10.0
    watching = Watching(lambda: now)
    assert not watching.due("g1")
    watching.watch("g1", 0.5)
    assert [watching.due("g1"), watching.due("g1")] == [True, False]
    now = 10.4
    watching.watch("g1", 0.5)  # asked for again: no reason for haste
    assert not watching.due("g1")
    now = 10.5
    assert [watching.due("g1"), watching.due("g1")] == [True, False]
    watching.watch("g1", None)
    now = 99.0
    assert not watching.due("g1")
