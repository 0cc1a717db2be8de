"""The trained VAE gives pictures back as they were."""

from pathlib import Path

from tools.miniature.train_vae import finished_vae, measurement


def test_the_vae_in_the_repository_reconstructs_what_no_training_showed():
    vae = finished_vae(Path("no such folder")).float()
    measured = measurement(vae)()

    assert measured["psnr_natural"] > 31
    assert measured["psnr_studio"] > 28
