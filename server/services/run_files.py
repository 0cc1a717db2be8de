"""The files of a Run: parts that came with it, URLs of this server's own files, URLs of others."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from models.card import Card, Parameter
from models.file_inputs import FileError, check_count, file_parameters, urls_of
from server.domain.errors import BadRequest
from server.domain.file_urls import file_address, file_url
from server.domain.files import TaskInput
from server.domain.types import JsonValue
from server.ports import TaskStore
from server.ports.files import UploadStore
from server.services.incoming import Incoming
from server.services.upload import kept


@dataclass(frozen=True, slots=True)
class Arrivals:
    """The file parts that came with a Run, and the store to keep them in."""

    uploads: UploadStore
    files: Sequence[Incoming] = ()


@dataclass(slots=True)
class RunFiles:
    """What a Run's files come to: `urls` by parameter, which of them lie here, and which have just come."""

    arrivals: Arrivals | None
    urls: dict[str, JsonValue] = field(default_factory=dict[str, JsonValue])
    inputs: list[TaskInput] = field(default_factory=list[TaskInput])
    incoming: list[Incoming] = field(default_factory=list[Incoming])

    def kept(self) -> AbstractContextManager[None]:
        """Make what came durable for a block that writes its rows."""
        return kept(self.arrivals.uploads, self.incoming) if self.arrivals and self.incoming else nullcontext()

    def echo(self, parameters: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
        """Return the request's parameters with the URLs of files that came as parts."""
        sent = {file.parameter for file in self.incoming}
        return {**parameters, **{name: _one_or_all(urls) for name, urls in self.urls.items() if name in sent}}

    def prints(self) -> Mapping[str, JsonValue]:
        """Return the SHA-256 of the files that came as parts: what makes a repeated request the same one."""
        sent = {file.parameter for file in self.incoming}
        return {
            f"{name} (files)": [file.upload.sha256 for file in self.incoming if file.parameter == name] for name in sent
        }


def gather(
    card: Card, parameters: Mapping[str, JsonValue], arrivals: Arrivals | None, tasks: TaskStore, base_url: str
) -> RunFiles:
    """Check and collect the files of every parameter that takes some. Raises BadRequest."""
    files = RunFiles(arrivals)
    try:
        for parameter in file_parameters(card):
            _gather_one(files, parameter, parameters, tasks, base_url)
    except FileError as error:
        raise BadRequest(str(error)) from error
    return files


def _gather_one(
    files: RunFiles, parameter: Parameter, parameters: Mapping[str, JsonValue], tasks: TaskStore, base_url: str
) -> None:
    mine = [file for file in files.arrivals.files if file.parameter == parameter.id] if files.arrivals else []
    # A single file outweighs the URL beside it.
    given = [] if mine and parameter.type == "fileinput" else urls_of(parameter, parameters)
    check_count(parameter, len(mine) + len(given))
    found: list[tuple[str, str | None]] = []
    for file in mine:
        upload = file.upload
        found.append((file_url(base_url, upload.access_key, upload.name), upload.key))
    found += [(url, _own_key(url, files.arrivals, tasks, base_url)) for url in given]
    files.incoming += mine
    files.inputs += [TaskInput(parameter=parameter.id, url=url, key=key) for url, key in found if key is not None]
    files.urls[parameter.id] = [url for url, _ in found]


def _own_key(url: str, arrivals: Arrivals | None, tasks: TaskStore, base_url: str) -> str | None:
    """Return the key of this server's file of a URL, or None for a URL from elsewhere.

    Access keys can't be guessed: whatever name this server goes by in the URL, a key that fits is one of its own.
    """
    address = file_address(url)
    if address is None:
        return None
    found = tasks.find_file(address.access_key)
    if found is None and arrivals is not None:
        found = arrivals.uploads.find_upload(address.access_key)
    if found is not None and found.name == address.name:
        return found.key
    if url.startswith(f"{base_url}/"):
        raise BadRequest("There is no file at a URL of this server; it may have been deleted. Send the file again.")
    return None


def _one_or_all(urls: JsonValue) -> JsonValue:
    return urls[0] if isinstance(urls, list) and len(urls) == 1 else urls
