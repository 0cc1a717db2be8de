"""The engine child: `python -m server.entrypoints.engine SPEC FD`. The only module that names an engine."""

import json
import os
import signal
import sys
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.contract import Engine
from server.entrypoints.faults.child import FaultyEngine
from server.entrypoints.faults.points import read_faults
from server.worker.child import serve

if TYPE_CHECKING:
    from pipelines.options import EngineOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSpec:
    """What a child needs to know, as one argument.

    `base` and `refiner` are folders of weights or single files; `base_config` and `refiner_config` are folders with
    what single files don't hold. `vae` decodes in place of theirs; "" is none. The others are settings of the same
    names; `in_flight` None: as many as the engine says, `lora_cache_gb` None: a share of what is free.
    """

    engine: str
    device: str = "auto"
    base: str = ""
    refiner: str = ""
    base_config: str = ""
    refiner_config: str = ""
    vae: str = ""
    dtype: str = "auto"
    memory: str = "auto"
    compile: str = "off"
    compile_sizes: str = ""
    lora_cache_gb: float | None = None
    in_flight: int | None = None
    batch_rows: int = 2
    step_ms: float = 0.0
    mode: str = "works"

    def command(self) -> list[str]:
        """Return the child's command line, to which the number of its pipe is appended."""
        # -P: a server.py or torch.py in the folder somebody happens to be in is not run.
        return [sys.executable, "-P", "-m", "server.entrypoints.engine", json.dumps(asdict(self))]


def fake_modes() -> list[str]:
    """Return how the fake engine can be told to behave."""
    from pipelines.fake import Mode  # noqa: PLC0415 as below

    return [mode.value for mode in Mode]


def main() -> int:
    """Build the engine and serve the pipe."""
    # Ctrl-C is for the supervisor to decide; it ends this process by closing the pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # OpenMP's threads spin while they wait for each other. Beside one other busy process that made a drawing twenty
    # times slower (two threads, two cores, 0.4 → 8 s). Sleeping costs a fifth on small pictures on idle cores, and
    # nothing measurable at 1024². Read when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Whatever is missing is said; nothing is fetched by surprise. Read when huggingface_hub is loaded.
    os.environ["HF_HUB_OFFLINE"] = "1"
    spec = EngineSpec(**json.loads(sys.argv[1]))
    connection: Connection[object, object] = Connection(int(sys.argv[2]))
    faults = read_faults(os.environ)
    if faults is None:
        return serve(lambda: _build(spec), connection)
    return serve(lambda: FaultyEngine(_build(spec), faults), connection)


def _build(spec: EngineSpec) -> Engine:
    # Imported here, not above: the supervisor imports this module for EngineSpec and must not load torch.
    if spec.engine == "fake":
        from pipelines.fake import FakeEngine  # noqa: PLC0415

        return FakeEngine(step_ms=spec.step_ms, mode=spec.mode, in_flight=spec.in_flight)
    from pipelines.expert_files import ExpertFiles  # noqa: PLC0415
    from pipelines.sdxl import SdxlEngine  # noqa: PLC0415

    base, base_config, vae = Path(spec.base), _path(spec.base_config), _path(spec.vae)
    refiner, refiner_config = _path(spec.refiner), _path(spec.refiner_config)
    return SdxlEngine(
        base=ExpertFiles(base, base_config, vae),
        refiner=ExpertFiles(refiner, refiner_config, vae) if refiner else None,
        device=spec.device,
        batch_rows=spec.batch_rows,
        in_flight=spec.in_flight,
        options=_options(spec),
    )


def _path(text: str) -> Path | None:
    return Path(text) if text else None


def _options(spec: EngineSpec) -> "EngineOptions":
    from pipelines.compiling import Compilation  # noqa: PLC0415 as above
    from pipelines.options import EngineOptions  # noqa: PLC0415

    sizes = [size.split("x") for size in filter(None, spec.compile_sizes.split(","))]
    return EngineOptions(
        precision=spec.dtype,
        memory=spec.memory,
        compilation=Compilation(spec.compile),
        compiled_sizes=tuple((int(width), int(height)) for width, height in sizes),
        lora_cache_bytes=None if spec.lora_cache_gb is None else int(spec.lora_cache_gb * 1_000_000_000),
    )


if __name__ == "__main__":
    # Not sys.exit: with a poisoned device an orderly end may hang, and the supervisor would wait for it.
    os._exit(main())
