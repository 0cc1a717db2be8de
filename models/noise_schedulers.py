"""The noise schedulers a request can name, as data: diffusers' class for each, and what differs from the weights' file.

Not offered: LCM and TCD, which draw well only with weights distilled for them; DPM++ SDE, whose noise comes from a
package without a release for years; KDPM2 ancestral, whose midpoints lie on its own timesteps but for rounding, so that
chance would decide which expert runs them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

_NOTHING: Final[Mapping[str, bool | str]] = {}
_SECOND_ORDER: Final = frozenset({"HeunDiscreteScheduler", "KDPM2DiscreteScheduler"})
_KARRAS: Final = {"use_karras_sigmas": True}
_TRAILING: Final = {"timestep_spacing": "trailing"}
_SDE: Final = {"algorithm_type": "sde-dpmsolver++"}


@dataclass(frozen=True, slots=True)
class NoiseScheduler:
    """One of them. `value` is what requests carry; `aliases` are names under which people know it.

    `kind` is the name of diffusers' class; `overrides` are laid over the configuration that came with the weights.
    """

    value: str
    label: str
    kind: str
    overrides: Mapping[str, bool | str] = field(default_factory=dict[str, bool | str])
    aliases: tuple[str, ...] = ()

    @property
    def second_order(self) -> bool:
        """Whether it asks the UNet twice for each step but the first."""
        return self.kind in _SECOND_ORDER


def _plain(kind: str, label: str, *aliases: str) -> NoiseScheduler:
    return NoiseScheduler(kind, label, kind, aliases=(label, *aliases))


def _variant(
    name: str, kind: str, overrides: Mapping[str, bool | str] = _NOTHING, aliases: tuple[str, ...] = ()
) -> NoiseScheduler:
    return NoiseScheduler(name, name, kind, overrides, (name, *aliases))


# The first seven bear the names that clients of the wire contract send; the others the names their users know.
_ALL: Final = (
    _plain("EulerDiscreteScheduler", "Euler"),
    _plain("DDIMScheduler", "DDIM"),
    _plain("LMSDiscreteScheduler", "LMS"),
    _plain("DPMSolverMultistepScheduler", "DPM++ 2M", "DPM-Solver multistep"),
    _plain("PNDMScheduler", "PNDM", "PLMS"),
    _plain("DDPMScheduler", "DDPM"),
    _plain("EulerAncestralDiscreteScheduler", "Euler ancestral", "Euler a"),
    _variant("DPM++ 2M Karras", "DPMSolverMultistepScheduler", _KARRAS),
    _variant("DPM++ 2M trailing", "DPMSolverMultistepScheduler", _TRAILING, ("DPM++ 2M SGM Uniform",)),
    _variant("DPM++ 2M SDE", "DPMSolverMultistepScheduler", _SDE),
    _variant("DPM++ 2M SDE Karras", "DPMSolverMultistepScheduler", {**_SDE, **_KARRAS}),
    _variant("UniPC", "UniPCMultistepScheduler", aliases=("UniPCMultistepScheduler", "uni_pc_bh2")),
    _variant("UniPC Karras", "UniPCMultistepScheduler", _KARRAS, ("uni_pc_bh2_karras",)),
    _variant("DEIS", "DEISMultistepScheduler", aliases=("DEISMultistepScheduler",)),
    _variant("Euler Karras", "EulerDiscreteScheduler", _KARRAS),
    _variant("Euler trailing", "EulerDiscreteScheduler", _TRAILING, ("Euler SGM Uniform",)),
    _variant("Euler a trailing", "EulerAncestralDiscreteScheduler", _TRAILING, ("Euler a SGM Uniform",)),
    _variant("Heun", "HeunDiscreteScheduler", aliases=("HeunDiscreteScheduler",)),
    _variant("Heun Karras", "HeunDiscreteScheduler", _KARRAS),
    _variant("KDPM2", "KDPM2DiscreteScheduler", aliases=("KDPM2DiscreteScheduler", "DPM2")),
    _variant("KDPM2 Karras", "KDPM2DiscreteScheduler", _KARRAS, ("DPM2 Karras",)),
)

NOISE_SCHEDULERS: Final[Mapping[str, NoiseScheduler]] = {each.value: each for each in _ALL}
"""By value, in the order in which they are offered."""
