"""Files a task reads: fetched and checked on a thread of their own, into a folder that goes when the run does."""

import logging
import shutil
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, cast

from models.catalogue import Catalogue
from models.file_inputs import file_parameters
from pipelines.contract import GenerationRequest, InputFile
from server.domain.errors import EaselError, Unavailable
from server.domain.files import MAX_FILE
from server.domain.outbound import NoAnswer, Refused
from server.domain.task import Task
from server.ports import FileStore
from server.ports.files import Downloads, UploadStore
from server.worker.patience import Patience
from server.worker.pictures import check_picture
from server.worker.prepare import CannotPrepare

_log = logging.getLogger(__name__)

_CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Gathered:
    """The files are there, and named in the request."""

    generation_id: str
    request: GenerationRequest


@dataclass(frozen=True, slots=True)
class NotGathered:
    """A file can't be had, or can't be used; `reason` is one sentence for people. `again`: it is nobody's fault."""

    generation_id: str
    reason: str
    again: bool = False


Note = Callable[[Gathered | NotGathered], None]


@dataclass(frozen=True, slots=True)
class InputSource:
    """Where files come from: this server's store, or elsewhere."""

    uploads: UploadStore
    files: FileStore
    downloads: Downloads
    catalogue: Catalogue

    def wanted(self, task: Task) -> bool:
        """Whether the task reads files."""
        return any(urls for _, urls in self._urls(task))

    def gather(self, task: Task, folder: Path) -> tuple[InputFile, ...]:
        """Put the task's files into the folder. Raises CannotPrepare, Unavailable, OSError."""
        own = {each.url: each.key for each in self.uploads.inputs_of(task.id)}
        found: list[InputFile] = []
        for parameter, urls in self._urls(task):
            for url in urls:
                path = folder / str(len(found))
                self._fetch(url, own.get(url), path)
                found.append(InputFile(parameter=parameter, path=str(path), content_type=check_picture(path)))
        return tuple(found)

    def _urls(self, task: Task) -> list[tuple[str, list[str]]]:
        owner, _, name = task.model.partition("/")
        card = self.catalogue.find(owner, name)
        ids = [parameter.id for parameter in file_parameters(card)] if card else []
        return [(each, cast("list[str]", task.values.get(each) or [])) for each in ids]

    def _fetch(self, url: str, key: str | None, path: Path) -> None:
        if key is None:
            try:
                with path.open("wb") as into:
                    self.downloads.fetch(url, MAX_FILE, into)
            except (Refused, NoAnswer) as error:
                raise CannotPrepare(f"An input file can't be fetched from {url}: {error}.") from error
            return
        content = self.files.open(key)
        if content is None:
            raise CannotPrepare("An input file was deleted before the task could read it. Send it again.")
        with content, path.open("wb") as copy:
            shutil.copyfileobj(content, copy, _CHUNK)


class Inputs:
    """Gathers runs' files, one run after the other. `start` and `forget` are called by the supervisor's thread."""

    def __init__(self, source: InputSource, note: Note, patience: Patience) -> None:
        self._source = source
        self._patience = patience
        self._note = note
        self._folders: dict[str, Path] = {}
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="inputs")

    def wanted(self, task: Task) -> bool:
        """Whether the task reads files."""
        return self._source.wanted(task)

    def start(self, task: Task, request: GenerationRequest) -> None:
        """Begin to gather; Gathered or NotGathered will be noted."""
        try:
            folder = Path(tempfile.mkdtemp(prefix="easel-inputs-"))
        except OSError as error:
            reason = f"There is no room for the task's input files: {error.strerror}. Tell the operator."
            self._note(NotGathered(request.generation_id, reason))
            return
        with self._lock:
            self._folders[request.generation_id] = folder
        self._pool.submit(self._gather, task, request, folder)

    def forget(self, generation_id: str) -> None:
        """The run is over: its files go."""
        with self._lock:
            folder = self._folders.pop(generation_id, None)
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """Begin nothing more; what is being fetched is left to end by itself."""
        self._patience.end()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _gather(self, task: Task, request: GenerationRequest, folder: Path) -> None:
        """Runs on the thread."""
        try:
            inputs = self._patience.through(
                f"task {task.id}: reading its input files",
                lambda: self._source.gather(task, folder),
                lambda: not self._forgotten(request.generation_id),
            )
            note = Gathered(request.generation_id, replace(request, inputs=inputs))
        except CannotPrepare as error:
            note = NotGathered(request.generation_id, str(error))
        except Unavailable as away:
            note = NotGathered(request.generation_id, str(away), again=True)
        except (EaselError, OSError) as error:
            what = error.strerror if isinstance(error, OSError) else None
            note = NotGathered(request.generation_id, f"An input file can't be read: {what or error}. Run it again.")
        except Exception as error:  # noqa: BLE001 whatever it is, unheard of the run would wait for ever
            _log.exception("task %s: its input files could not be gathered", task.id)
            note = NotGathered(request.generation_id, f"An input file can't be read ({type(error).__name__}).")
        if self._forgotten(request.generation_id):
            shutil.rmtree(folder, ignore_errors=True)
        self._note(note)

    def _forgotten(self, generation_id: str) -> bool:
        with self._lock:
            return generation_id not in self._folders
