"""How many samples one forward holds, for each kind of forward.

The setting gives the rows: a guidance pair takes two, a sample without guidance one, and forwards of both kinds hold
the same number of samples. More than one only where a sample's result is the same in every place: where it sits depends
on its neighbours, and kernels may treat the end of a tensor, or a thread's part of it, differently in the last bits. On
CPUs that happens where a row's elements don't fill whole vectors (72 × 136 pixels, say), and for small products whose
rows are divided among threads unluckily (six rows, two threads).
"""

from dataclasses import dataclass

import torch
from diffusers import UNet2DConditionModel

from pipelines.device import TorchMemory
from pipelines.encoding import Conditioning
from pipelines.microbatch import Rows, forward


@dataclass(frozen=True, slots=True)
class Kind:
    """What decides the shape of a forward: latents' height and width, and the shapes of a sample's conditioning."""

    latents: tuple[int, int]
    conditioning: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, latents: tuple[int, int], conditioning: Conditioning) -> "Kind":
        """Return the kind of forwards of this conditioning."""
        tensors = (conditioning.prompt_embeds, conditioning.text_embeds, conditioning.time_ids)
        return cls(latents, tuple(tuple(each.shape) for each in tensors))

    @property
    def rows(self) -> int:
        """Rows of one sample."""
        return self.conditioning[0][0]

    @property
    def work(self) -> int:
        """Row·pixels (of latents) of one sample's forward."""
        return self.rows * self.latents[0] * self.latents[1]


class Width:
    """Decides how many samples forwards of one UNet hold: `samples`, or one for kinds where places differ.

    The first time a kind is asked for, one forward on random numbers tells. The answer depends on the UNet's shapes,
    the device, the library versions and the number of threads, on which a picture's last bits depend anyway.
    """

    def __init__(self, unet: UNet2DConditionModel, samples: int, device: torch.device) -> None:
        self._unet = unet
        self._device = device  # the UNet's, once it runs: between forwards it may lie elsewhere
        self._samples = samples
        self._known: dict[Kind, int] = {}

    def samples(self, kind: Kind) -> int:
        """Return how many samples a forward of this kind holds."""
        if self._samples == 1:
            return 1
        if kind not in self._known:
            self._known[kind] = self._samples if self._same_in_all_places(kind) else 1
        return self._known[kind]

    def _same_in_all_places(self, kind: Kind) -> bool:
        """Run one sample in all places at once and compare."""
        rows = _random_rows(kind, self._unet, self._device)
        first, *others = forward(self._unet, [rows] * self._samples, TorchMemory(rows.latents.device))
        return all(torch.equal(first, other) for other in others)


def _random_rows(kind: Kind, unet: UNet2DConditionModel, device: torch.device) -> Rows:
    generator = torch.Generator("cpu").manual_seed(0)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator).to(device, unet.dtype)

    prompt_embeds, text_embeds, time_ids = (draw(*shape) for shape in kind.conditioning)
    return Rows(
        latents=draw(kind.rows, unet.config["in_channels"], *kind.latents),
        timestep=torch.tensor(500.0, device=device),
        conditioning=Conditioning(prompt_embeds=prompt_embeds, text_embeds=text_embeds, time_ids=time_ids),
    )
