"""A supervisor over stores in memory, with an engine that follows a script instead of a process."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from models.catalogue import Catalogue
from models.gate.gate import Gate, load_gate
from models.gate.matcher import Findings
from pipelines.contract import (
    Admit,
    Command,
    Defunct,
    EngineEvent,
    Finished,
    GenerationRequest,
    Loading,
    Phase,
    Ready,
    SampleDone,
    Started,
    Stepped,
    Withdraw,
    Withdrawn,
)
from server.adapters.clock import SystemClock
from server.adapters.files import LocalFiles
from server.adapters.hashes import CachedHashes
from server.adapters.memory import MemoryStores
from server.adapters.memory.refusals import MemoryRefusalLog
from server.adapters.outbound.downloads import HttpDownloads
from server.adapters.outbound.exchange import Caller
from server.adapters.outbound.guard import Guard
from server.adapters.wakeups import LocalWakeups
from server.domain.errors import Unavailable
from server.domain.outbound import Permits
from server.domain.project import Project
from server.domain.rescue import Limits
from server.domain.task import Task
from server.domain.types import WorkerId
from server.domain.worker import Worker, WorkerState
from server.services.screen import Screen
from server.services.submit import Submission, accept, submit
from server.worker.engine_process import Exited, Heard
from server.worker.inputs import InputSource
from server.worker.labels import Labels
from server.worker.prepare import CardPreparation
from server.worker.supervisor import Outside, Supervisor
from server.worker.timing import Timing
from tests.stores import new_project

SIZE = 8
WRITES = frozenset({"write", "write_kill"})
OTHER = WorkerId("other")


def done(request: GenerationRequest, sample: int) -> SampleDone:
    return SampleDone(request.generation_id, sample, SIZE, SIZE, bytes(SIZE * SIZE * 3))


def works(request: GenerationRequest) -> Iterator[EngineEvent]:
    """What a good engine says."""
    it, total = request.generation_id, 2 * request.samples
    yield Started(it, total)
    for sample in range(request.samples):
        for step in (1, 2):
            yield Stepped(it, Phase.BASE, sample, 2 * sample + step, total)
        yield done(request, sample)
    yield Finished(it)


class Pause:
    """In a script: wait here until the test lets it go on."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.go_on = threading.Event()


Script = Callable[[GenerationRequest], Iterator[EngineEvent | Pause | Exited]]


@dataclass
class ScriptedEngine:
    """An `EngineHandle` without a process: a thread that says what its script says."""

    script: Script = works
    loads: bool = True
    capacity: int = 1
    starts: int = 0
    bytes: int = 0
    commands: list[Command] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)

    def start(self, hear: Callable[[Heard], None]) -> None:
        self.starts += 1
        self._hear = hear
        self._alive = True
        if self.loads:
            hear(Loading("everything", 1.0))
            hear(Ready("scripted", self.capacity))
        else:
            hear(Defunct("no such weights"))
            hear(Exited(86))

    def send(self, command: Command) -> None:
        self.commands.append(command)
        if isinstance(command, Admit):
            threading.Thread(target=self._draw, args=(command.request,), daemon=True).start()

    def _draw(self, request: GenerationRequest) -> None:
        for event in self.script(request):
            if isinstance(event, Pause):
                event.reached.set()
                while not event.go_on.wait(0.002):
                    if self.withdrawn(request.generation_id) or not self._alive:
                        break
            elif not self._alive:
                return
            elif self.withdrawn(request.generation_id):
                self._hear(Withdrawn(request.generation_id, Phase.BASE, 1, 2))
                return
            else:
                if isinstance(event, Exited):
                    self._alive = False
                self._hear(event)

    def withdrawn(self, generation_id: str) -> bool:
        return Withdraw(generation_id) in self.commands

    def terminate(self) -> None:
        self._end("SIGTERM", -15)

    def kill(self) -> None:
        self._end("SIGKILL", -9)

    def _end(self, how: str, code: int) -> None:
        self.ended.append(how)
        self._alive = False
        self._hear(Exited(code))

    def memory(self) -> int:
        return self.bytes

    def close(self, grace: float) -> None:
        self.ended.append(f"close {grace}")
        self._alive = False


class Troubled:
    """Stores that can be away, and at whose writes a test can step in."""

    def __init__(self, stores: MemoryStores) -> None:
        self._stores = stores
        self.away = False
        self.refused: list[str] = []
        self.writes = 0
        self.at_write: Callable[[int, str], None] = lambda _number, _verb: None

    def __getattr__(self, verb: str):
        whole = getattr(self._stores, verb)

        def call(*args, **options):
            if verb in WRITES:
                self.writes += 1
                self.at_write(self.writes, verb)
            if self.away:
                self.refused.append(verb)
                raise Unavailable
            return whole(*args, **options)

        return call


class Blind:
    """Finds nothing in anything."""

    def find(self, text: str) -> Findings:
        return Findings()


class Disk(LocalFiles):
    """A folder that can be full."""

    full = False

    def write(self, key: str, content: bytes) -> None:
        if self.full:
            raise OSError(28, "No space left on device")
        super().write(key, content)


class Shop:
    """A supervisor at work, and everything around it."""

    def __init__(self, engine: ScriptedEngine, folder, recycle: int | None = None, **timing: float) -> None:
        self.now = 1_700_000_000.0
        self.stores = MemoryStores(now=lambda: self.now)
        self.troubled = Troubled(self.stores)
        self.refusals = MemoryRefusalLog(now=lambda: self.now)
        self.gate = load_gate()
        self.porch_gate = Gate("porch", Blind())  # what stands in the queue is for the worker's gate to judge
        self.engine = engine
        self.files = Disk(folder)
        self.folder = folder
        self.project = self.stores.create(new_project("one"))
        self.catalogue = Catalogue.load()
        self.models = [card.slug for card in self.catalogue]
        worker = Worker(id=WorkerId("me"), host="here", pid=1, engine="s", device="", state=WorkerState.LOADING)
        nowhere = HttpDownloads(Guard(Permits(), "EASEL_DOWNLOAD_ALLOW"), Caller())
        outside = Outside(
            tasks=self.troubled,
            registry=self.troubled,
            refusals=self.refusals,
            files=self.files,
            wakeups=LocalWakeups(),
            clock=SystemClock(),
            engine=engine,
            labels=Labels(None, CachedHashes(folder.parent / "hashes.json"), full=True),
            previews=self.stores.previews,
            inputs=InputSource(self.stores, self.files, nowhere, self.catalogue),
        )
        paces = {
            "lease": 30.0,
            "heartbeat": 0.05,
            "drain": 5.0,
            "poll": 0.01,
            "watch": 0.01,
            "stop_grace": 0.05,
            "retry": 0.05,
        }
        preparation = CardPreparation(self.catalogue, self.models, None, self.gate)
        settled = Timing(**{**paces, **timing})
        self.supervisor = Supervisor(worker, outside, preparation, settled, Limits(), recycle)
        self.code: int | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        self.code = self.supervisor.run()

    def start(self) -> None:
        self._thread.start()

    def ended(self, within: float = 5) -> int | None:
        self._thread.join(within)
        assert not self._thread.is_alive()
        return self.code

    def run(self, project: Project | None = None, **parameters: str) -> Task:
        run = Submission(
            project_id=(project or self.project).id,
            owner="hevok",
            name="studio-trigger",
            parameters={"prompt": "a fox", "samples": "2", "seed": "1", **parameters},
            base_url="http://here",
        )
        accepted = accept(self.stores, self.catalogue, Screen(self.porch_gate, self.refusals), run)
        return submit(self.stores, LocalWakeups(), run, accepted)

    def events(self, task: Task):
        story = self.stores.story(task.id)
        assert story is not None
        return story.events

    def types(self, task: Task) -> list[str]:
        return [event.type.value for event in self.events(task)]

    def look(self, task: Task) -> Task:
        found = self.stores.find(task.project_id, task.id)
        assert found is not None
        return found

    def wait(self, what: Callable[[], object], within: float = 5) -> None:
        deadline = time.monotonic() + within
        while not what():
            assert time.monotonic() < deadline, [self.types(task) for task in self.all()]
            time.sleep(0.002)

    def all(self) -> Sequence[Task]:
        return [row.task for row in self.stores._rows.values()]

    def finish(self, task: Task) -> Task:
        self.wait(lambda: self.look(task).terminal)
        return self.look(task)

    def files_on_disk(self) -> int:
        return sum(path.is_file() for path in self.folder.rglob("*"))


@contextmanager
def shop(engine: ScriptedEngine, folder, recycle: int | None = None, **timing: float) -> Iterator[Shop]:
    opened = Shop(engine, folder, recycle, **timing)
    opened.start()
    try:
        yield opened
    finally:
        opened.troubled.away = False
        opened.supervisor.stop()
        opened.supervisor.stop()
        opened.ended()


def paused(pause: Pause, *, after: type) -> Script:
    """A good engine that waits once it has said an event of this kind for the first time."""

    def script(request: GenerationRequest):
        waited = False
        for event in works(request):
            yield event
            if isinstance(event, after) and not waited:
                waited = True
                yield pause

    return script


STORY = [
    "task_queue",
    "task_accept",
    "task_preprocess_start",
    "task_preprocess_end",
    "task_assign",
    "task_start",
    "task_output_full",
    "task_end",
    "task_postprocess_start",
    "task_postprocess_end",
]
