"""`python -m tools.miniature`: every phase in turn, each from where it stands, then the export and the evaluation."""

import argparse
from pathlib import Path

from tools.miniature import train_lora, train_refiner, train_unet, train_vae
from tools.miniature.evaluate import Painter, Settings, table
from tools.miniature.layout import write_model
from tools.miniature.training import Plan, use_threads

_SMOKE = Plan(steps=20, batch=4, pictures=40)


def main() -> None:
    """Run the whole recipe; cut off, it goes on where it stood."""
    parser = argparse.ArgumentParser(prog="python -m tools.miniature", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("data/training"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--smoke", action="store_true", help="a few steps of each phase, to see that they run")
    options = parser.parse_args()
    use_threads(options.threads)
    if _train(options.folder, smoke=options.smoke):
        write_model(options.folder, options.folder / "model")
        painter = Painter(options.folder / "model", options.threads)
        settings = Settings(steps=5) if options.smoke else Settings()
        print(table(painter, 4 if options.smoke else 200, [("base + refiner", settings)]))  # noqa: T201


def _train(folder: Path, *, smoke: bool) -> bool:
    """Train each phase; False where one was cut off."""
    if smoke:
        return (
            train_vae.train(folder, steps=20, pictures=40).finished
            and train_unet.train(folder, _SMOKE).finished
            and train_refiner.train(folder, _SMOKE).finished
            and train_lora.train(folder, _SMOKE).finished
        )
    return (
        _vae(folder)
        and train_unet.train(folder, train_unet.PLAN).finished
        and train_refiner.train(folder, train_refiner.PLAN).finished
        and train_lora.train(folder, train_lora.PLAN).finished
    )


def _vae(folder: Path) -> bool:
    """Take the VAE that lies in the repository, or train on one that was begun here."""
    if train_vae.TRAINED.exists() and not (folder / "vae").exists():
        return True
    return train_vae.train(folder, steps=4000, pictures=6000).finished


if __name__ == "__main__":
    main()
