"""Weights from where they lie to where they run, what is the same in base and refiner once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from models.memory_plan import VAE, Memory, plan_memory
from pipelines.device import choose_dtype, choose_vae_dtype
from pipelines.expert_files import ExpertFiles, ExpertSource, same_tensors

Report: TypeAlias = Callable[[str, float], None]

TEXT: Final = "text encoders"
BASE: Final = "base"
REFINER: Final = "refiner"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextStage:
    """One text encoder and the tokenizer it was trained with."""

    tokenizer: CLIPTokenizer
    text_encoder: CLIPTextModel | CLIPTextModelWithProjection


@dataclass(frozen=True, slots=True, kw_only=True)
class Expert:
    """SDXL's base or refiner, ready to run. The last text stage is the one whose pooled output conditions the UNet."""

    text_stages: tuple[TextStage, ...]
    unet: UNet2DConditionModel
    vae: AutoencoderKL
    scheduler_config: Mapping[str, Any]
    requires_aesthetics_score: bool

    @property
    def vae_scale_factor(self) -> int:
        """Pixels per latent, along each side."""
        return 2 ** (len(self.vae.config["block_out_channels"]) - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Everything that is loaded. Where base and refiner hold the same file, they hold the same module.

    With `memory` offload they lie in host memory, and are brought to the device by groups.
    """

    base: Expert
    refiner: Expert | None
    memory: Memory = Memory.RESIDENT

    def groups(self) -> dict[str, list[torch.nn.Module]]:
        """Return the modules that are used together, each in one group."""
        experts = [expert for expert in (self.base, self.refiner) if expert is not None]
        encoders = {id(stage.text_encoder): stage.text_encoder for one in experts for stage in one.text_stages}
        groups: dict[str, list[torch.nn.Module]] = {
            TEXT: list(encoders.values()),
            BASE: [self.base.unet],
            VAE: list({id(expert.vae): expert.vae for expert in experts}.values()),
        }
        return groups if self.refiner is None else {**groups, REFINER: [self.refiner.unet]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How weights are loaded. precision: auto, float16, bfloat16 or float32; memory: auto, resident or offload.

    `device_bytes` is what the device can hold, None where nobody can say.
    """

    precision: str = "auto"
    memory: str = "auto"
    device_bytes: int | None = None


def load_weights(
    base: Path | ExpertSource,
    refiner: Path | ExpertSource | None,
    device: torch.device,
    report: Report,
    manner: Manner | None = None,
) -> Weights:
    """Load both experts for `device`, reporting (what, fraction done by size).

    Raises:
        OSError, ValueError: there is no SDXL in safetensors, or the device doesn't have that precision.
    """
    manner = manner or Manner()
    files, refiner_files = ExpertFiles.of(base), None if refiner is None else ExpertFiles.of(refiner)
    loader = _Loader(files, refiner_files, choose_dtype(manner.precision, device), report)
    memory = plan_memory(manner.memory, loader.group_bytes(), manner.device_bytes).policy
    if device.type == "cpu":  # where else could they wait?
        memory = Memory.RESIDENT
    loader.place_on(device if memory is Memory.RESIDENT else torch.device("cpu"))
    base_expert = loader.expert(files, BASE, None)
    refined = None if refiner_files is None else loader.expert(refiner_files, REFINER, base_expert)
    return Weights(base=base_expert, refiner=refined, memory=memory)


class _Loader:
    """Loads components one by one and knows how far it is."""

    def __init__(self, base: ExpertSource, refiner: ExpertSource | None, dtype: torch.dtype, report: Report) -> None:
        self._base = base
        self._refiner = refiner
        self._dtype = dtype
        self._report = report
        self._device = torch.device("cpu")
        self._done = 0
        # None: only the tensors can tell
        self._shared = {
            component: False if refiner is None else refiner.has_same(component, base)
            for component in ("text_encoder_2", "vae")
        }
        self._total = sum(self._sizes().values())

    def place_on(self, device: torch.device) -> None:
        """Say where to load to."""
        self._device = device

    def group_bytes(self) -> dict[str, int]:
        """Return how large the groups of `Weights.groups` will be."""
        groups: dict[str, int] = {TEXT: 0, BASE: 0, VAE: 0, REFINER: 0}
        for (name, component), size in self._sizes().items():
            group = {"unet": name, "vae": VAE}.get(component, TEXT)
            groups[group] += size
        return groups

    def expert(self, files: ExpertSource, name: str, twin: Expert | None) -> Expert:
        """Load one expert, sharing with its twin what is the same."""
        stages: list[TextStage] = []
        if files.has("text_encoder"):
            encoder = self._module(files, "text_encoder", CLIPTextModel, name)
            stages.append(TextStage(tokenizer=files.tokenizer("tokenizer"), text_encoder=encoder))
        its = twin.text_stages[-1].text_encoder if twin else None
        encoder_2 = self._module_or(its, files, "text_encoder_2", CLIPTextModelWithProjection, name)
        stages.append(TextStage(tokenizer=files.tokenizer("tokenizer_2"), text_encoder=encoder_2))
        return Expert(
            text_stages=tuple(stages),
            vae=self._module_or(twin.vae if twin else None, files, "vae", AutoencoderKL, name),
            unet=self._module(files, "unet", UNet2DConditionModel, name),
            scheduler_config=files.scheduler_config,
            requires_aesthetics_score=bool(files.index.get("requires_aesthetics_score", False)),
        )

    def _module_or(self, its: Any, files: ExpertSource, component: str, kind: Any, expert: str) -> Any:
        """Load a component, or take the twin's where they are the same."""
        if its is None:
            return self._module(files, component, kind, expert)
        shared = self._shared[component]
        if shared:
            return its
        module = self._module(files, component, kind, expert)
        return its if shared is None and same_tensors(module, its) else module

    def _sizes(self) -> dict[tuple[str, str], int]:
        """Return the bytes of what will be loaded, by expert and component."""
        sizes: dict[tuple[str, str], int] = {}
        for name, files in ((BASE, self._base), (REFINER, self._refiner)):
            for component in ("text_encoder", "text_encoder_2", "vae", "unet"):
                shared = name == REFINER and self._shared.get(component, False)
                if files is not None and files.has(component) and not shared:
                    sizes[name, component] = files.parameters_of(component) * self._dtype_of(files, component).itemsize
        return sizes

    def _dtype_of(self, files: ExpertSource, component: str) -> torch.dtype:
        if component != "vae":
            return self._dtype
        return choose_vae_dtype(self._dtype, force_upcast=bool(files.config_of("vae").get("force_upcast", True)))

    def _module(self, files: ExpertSource, component: str, kind: Any, expert: str) -> Any:
        self._report(f"{expert} {component}", self._done / max(self._total, 1))
        module = files.read(kind, component, self._dtype_of(files, component))
        self._done += self._sizes().get((expert, component), 0)
        # parameters keep requires_grad: without it torch's CPU linear takes another path, with other last bits
        return module.to(self._device).eval()
