"""How an engine is to use its device."""

from dataclasses import dataclass

from pipelines.compiling import Compilation, Size


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """What an operator may choose.

    precision: auto, float16, bfloat16 or float32. memory: auto, resident or offload. `compiled_sizes` are width and
    height in pixels of the pictures for which compilation runs ahead. `lora_cache_bytes`: how much of finished LoRA
    weights is kept on the device, and of LoRA files in host memory; None: a share of what is free.
    """

    precision: str = "auto"
    memory: str = "auto"
    compilation: Compilation = Compilation.OFF
    compiled_sizes: tuple[Size, ...] = ()
    lora_cache_bytes: int | None = None
