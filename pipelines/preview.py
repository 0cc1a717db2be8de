"""What a picture looks like on its way: latents to pixels by one linear map, an eighth of the size, without the VAE.

Pictures that are no larger than a preview may be, as the miniature's, are decoded.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast

import torch
from diffusers import AutoencoderKL
from torch.nn import functional

from pipelines.contract import EngineEvent, Failed, Finished, Preview, Stepped, Withdrawn
from pipelines.watching import Watching

Decode: TypeAlias = Callable[[torch.Tensor], bytes]
"""From latents (1, channels, height, width) on the CPU to RGB as in `SampleDone`: by the VAE, wherever that lies."""

_log = logging.getLogger(__name__)

MAX_SIDE: Final = 192
"""Pixels: larger previews say no more."""
_PATCHES: Final = 12
_PATCH_SIDE: Final = 16
_FIT_SEED: Final = 0


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a step knew: the latents before it, its timestep, and what the UNet made of them.

    `noise` is the UNet's prediction after guidance, of the kind that the scheduler's `prediction_type` says.
    """

    scheduler: Any
    latents: torch.Tensor
    timestep: torch.Tensor
    noise: torch.Tensor

    def clean(self) -> torch.Tensor:
        """Estimate the latents that this picture will end as, in one stride from here."""
        schedule: torch.Tensor = self.scheduler.alphas_cumprod
        alpha = _at(schedule, float(self.timestep))
        signal, noise = alpha**0.5, (1 - alpha) ** 0.5
        latents, prediction = self.latents.float(), self.noise.float()
        if float(self.scheduler.init_noise_sigma) != 1:
            # these schedulers add noise to latents that keep their size; the formulas below are of the others
            latents = latents * signal
        match self.scheduler.config["prediction_type"]:
            case "v_prediction":
                return latents * signal - prediction * noise
            case "sample":
                return prediction
            case _:
                return (latents - prediction * noise) / signal


class LatentColours:
    """The linear map from latents to colours that comes nearest to what a VAE decodes: found by least squares."""

    def __init__(self, vae: AutoencoderKL, decode: Decode) -> None:
        generator = torch.Generator("cpu").manual_seed(_FIT_SEED)
        channels, factor = vae.config["latent_channels"], _factor(vae)
        knowns: list[torch.Tensor] = []
        wanted: list[torch.Tensor] = []
        for _ in range(_PATCHES):  # one by one: a batch of them would take the memory of a large picture
            latents = _patchwork(generator, channels)
            side = _PATCH_SIDE * factor
            pixels = torch.frombuffer(bytearray(decode(latents)), dtype=torch.uint8)
            colours = functional.avg_pool2d(pixels.view(side, side, 3).permute(2, 0, 1).float(), factor)
            knowns.append(_with_one(latents))
            wanted.append(colours.flatten(1).T)
        # normal equations: a handful of unknowns, and no other solver is needed on any device
        known, colour = torch.cat(knowns).double(), torch.cat(wanted).double()
        self._map = torch.linalg.solve(known.T @ known, known.T @ colour).float()

    def paint(self, latents: torch.Tensor) -> tuple[int, int, bytes]:
        """Return width, height and height × width × 3 bytes of RGB for latents of shape (1, channels, height, width).

        What is no finite number is painted black.
        """
        small = latents.detach().float().cpu()
        height, width = small.shape[-2:]
        if max(height, width) > MAX_SIDE:
            shrink = MAX_SIDE / max(height, width)
            height, width = max(1, round(height * shrink)), max(1, round(width * shrink))
            small = functional.adaptive_avg_pool2d(small, (height, width))
        colours = torch.nan_to_num(_with_one(small) @ self._map, 0.0, 255.0, 0.0)
        return width, height, colours.clamp(0, 255).round().to(torch.uint8).contiguous().numpy().tobytes()


class Previewer:
    """Makes previews of the generations that are watched.

    The map is found when the first one is asked for: whoever asks for none pays nothing.
    """

    def __init__(self, vae: AutoencoderKL, decode: Decode) -> None:
        self._vae = vae
        self._decode = decode
        self._watching = Watching()
        self._colours: LatentColours | None = None

    def watch(self, generation_id: str, interval: float | None) -> None:
        """Make one each `interval` seconds at most, or no more."""
        self._watching.watch(generation_id, interval)

    def after(self, events: Sequence[EngineEvent], outlook: Callable[[Stepped], Outlook | None]) -> list[Preview]:
        """Return the previews that are due after these steps. A picture never fails for want of its preview."""
        for event in events:
            if isinstance(event, Finished | Failed | Withdrawn):
                self.watch(event.generation_id, None)
        steps = [event for event in events if isinstance(event, Stepped) and self._watching.due(event.generation_id)]
        seen = [(step, known) for step in steps if (known := outlook(step)) is not None]
        try:
            return [self._preview(step, known) for step, known in seen]
        except Exception:  # noqa: BLE001 decoding for the map may fail as any decoding may
            _log.warning("no preview could be made; there will be no more of this generation", exc_info=True)
            for step in steps:
                self.watch(step.generation_id, None)
            return []

    @torch.no_grad()
    def _preview(self, stepped: Stepped, outlook: Outlook) -> Preview:
        width, height, rgb = self._paint(outlook.clean())
        return Preview(stepped.generation_id, stepped.sample, stepped.step, stepped.total_steps, width, height, rgb)

    def _paint(self, latents: torch.Tensor) -> tuple[int, int, bytes]:
        height, width = (side * _factor(self._vae) for side in latents.shape[-2:])
        if max(height, width) <= MAX_SIDE:  # quickly decoded, and shown as it is
            return width, height, self._decode(latents.detach().cpu())
        if self._colours is None:
            self._colours = LatentColours(self._vae, self._decode)
        return self._colours.paint(latents)


def _factor(vae: AutoencoderKL) -> int:
    """Return how many pixels a latent is wide."""
    return 2 ** (len(vae.config["block_out_channels"]) - 1)


def _at(schedule: torch.Tensor, timestep: float) -> float:
    """Read a schedule between its whole timesteps."""
    last = len(schedule) - 1
    below = min(max(int(timestep), 0), last)
    share = min(max(timestep - below, 0.0), 1.0)
    return float(schedule[below]) * (1 - share) + float(schedule[min(below + 1, last)]) * share


def _patchwork(generator: torch.Generator, channels: int) -> torch.Tensor:
    """Latents as pictures have them: areas of one colour, large and small, of unit variance in all."""
    layers = [
        functional.interpolate(
            torch.randn(1, channels, side, side, generator=generator), size=(_PATCH_SIDE, _PATCH_SIDE), mode="nearest"
        )
        for side in (1, _PATCH_SIDE // 8, _PATCH_SIDE // 4)
    ]
    return cast("torch.Tensor", sum(layers)) / len(layers) ** 0.5


def _with_one(latents: torch.Tensor) -> torch.Tensor:
    """Return rows of latents, each with a one for the map's constant part: height × width rows."""
    rows = latents[0].flatten(1).T.cpu()
    return torch.cat([rows, torch.ones(len(rows), 1)], dim=1)
