"""Pull weights: from the hub or any address, resumable, held to what is known of their size and hash."""

import errno
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Final, TypeAlias, TypeVar

from models.hub_files import NothingToPull, choose_files
from models.lock import Locked
from models.recognise import INDEX, Recognised, Role, Unusable, recognise
from models.registry import RegistryError, check_name
from models.safetensors_header import SUFFIX
from server.ports.pulling import Interrupted, ModelStore, PullFailed, Remote, RemoteFile, Repository

Answer = TypeVar("Answer")
Pause: TypeAlias = Callable[[float], None]

_WAITS: Final = (1.0, 2.0, 5.0, 15.0)  # seconds, while nothing comes
_CONFIG: Final = "config.json"
_SPARE: Final = 100_000_000
_PLACES: Final = {Role.BASE: "checkpoints", Role.REFINER: "checkpoints", Role.LORA: "loras", Role.VAE: "vae"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What to pull: a repository's id or an address, and what is known of it; None where nothing is."""

    source: str
    role: Role | None = None
    name: str | None = None
    variant: str = "fp16"
    file: str | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Files to fetch under one name; `folder`: they make a folder."""

    name: str
    role: Role | None
    files: Sequence[RemoteFile]
    folder: bool
    licence: str


@dataclass(frozen=True, slots=True)
class Pulled:
    """What was pulled, where it lies, and what it is."""

    path: Path
    recognised: Recognised


Progress: TypeAlias = Callable[[RemoteFile, int], None]
"""Hears how many bytes of a file are there."""


def plan_pull(remote: Remote, store: ModelStore, wish: Wish, pause: Pause) -> Plan:
    """Ask what there is to fetch, and whether there is room for it.

    Raises:
        PullFailed: nothing there, nothing easel can use, a name that is taken, or no room.
    """
    if "://" in wish.source:
        told = _patiently(lambda: remote.file(wish.source), pause)
        files, licence, stem = [told], "", PurePosixPath(told.name).name.removesuffix(SUFFIX)
    else:
        repository = _patiently(lambda: remote.repository(wish.source), pause)
        files, licence = _chosen(repository, wish), repository.licence
        stem = PurePosixPath(files[0].name).stem if wish.file else wish.source.rpartition("/")[2]
    if wish.sha256 is not None:
        files = [replace(files[0], sha256=wish.sha256), *files[1:]]
    folder = any(file.name in {INDEX, _CONFIG} for file in files)
    plan = Plan(name=_checked(wish.name or stem), role=wish.role, files=files, folder=folder, licence=licence)
    for target in _targets(plan):
        if store.path(target).exists():
            raise PullFailed(f"{store.path(target)} is there already: remove it, or choose another name with --name.")
    to_come = sum(max((file.size or 0) - store.arrived(_aside(plan, file)), 0) for file in files)
    if store.free() < to_come + _SPARE:
        raise PullFailed(
            f"There is no room for {plan.name}: {to_come / 1e9:.2f} GB are to come and {store.free() / 1e9:.2f} GB are "
            "free; make room, or set EASEL_DATA_DIR to a folder on a larger disk."
        )
    return plan


def pull(remote: Remote, store: ModelStore, plan: Plan, progress: Progress, pause: Pause) -> Pulled:
    """Fetch what is planned, hold it to what is known, give it its place, lock it.

    Raises:
        PullFailed: with one sentence; what has arrived soundly stays, and the next pull goes on there.
    """
    locked: dict[str, Locked] = {}
    for file in plan.files:
        _fetch(remote, store, file, _aside(plan, file), progress, pause)
        locked[file.name] = _verified(store, file, _aside(plan, file))
    gathered = store.aside(plan.name if plan.folder else f"{plan.name}{SUFFIX}")
    try:
        recognised = recognise(gathered)
    except Unusable as error:
        raise PullFailed(str(error)) from None
    if plan.role not in {None, recognised.role}:
        raise PullFailed(
            f"{plan.name} is {recognised.words}, and not what --as {plan.role} asks for: "
            f"pull it with --as {recognised.role.value}."
        )
    target = _target(plan, recognised.role)
    places = {f"{target}/{name}" if plan.folder else target: entry for name, entry in locked.items()}
    known = store.locked()
    for path, entry in places.items():
        _hold_to_lock(known.get(path), entry, path)
    store.place(gathered, target)
    store.lock({path: entry for path, entry in places.items() if path not in known})
    return Pulled(store.path(target), recognised)


def _chosen(repository: Repository, wish: Wish) -> list[RemoteFile]:
    by_name = {file.name: file for file in repository.files}
    try:
        chosen = choose_files(by_name, role=wish.role, variant=wish.variant, file=wish.file)
    except NothingToPull as error:
        raise PullFailed(f"{wish.source} {error}.") from None
    return [by_name[name] for name in chosen]


def _checked(name: str) -> str:
    try:
        return check_name(name)
    except RegistryError as error:
        raise PullFailed(f"{error} Give one with --name.") from None


def _aside(plan: Plan, file: RemoteFile) -> str:
    return f"{plan.name}/{file.name}" if plan.folder else f"{plan.name}{SUFFIX}"


def _target(plan: Plan, role: Role) -> str:
    if plan.folder:
        return f"{_PLACES[role]}/{plan.name}" if role is Role.VAE else plan.name
    return f"{_PLACES[role]}/{plan.name}{SUFFIX}"


def _targets(plan: Plan) -> set[str]:
    return {_target(plan, role) for role in ([plan.role] if plan.role else Role)}


def _patiently(ask: Callable[[], Answer], pause: Pause) -> Answer:
    for wait in _WAITS:
        try:
            return ask()
        except Interrupted:
            pause(wait)
    try:
        return ask()
    except Interrupted as error:
        raise PullFailed(f"{error}; try again later.") from None


def _fetch(remote: Remote, store: ModelStore, file: RemoteFile, aside: str, progress: Progress, pause: Pause) -> None:
    """Read until the file is whole; give up when nothing came several times in a row."""
    waits = iter(_WAITS)
    progress(file, here := store.arrived(aside))
    if file.size == 0:
        store.append(aside, 0, iter(()))
    while file.size is None or here < file.size:
        try:
            _read_on(remote, store, file, aside, progress)
        except Interrupted as error:
            came = store.arrived(aside) > here
            waits = iter(_WAITS) if came else waits
            wait = next(waits, None)
            if wait is None:
                raise PullFailed(f"{error}; what has come stays, and the same command goes on from there.") from None
            pause(wait)
        else:
            if file.size is None or store.arrived(aside) >= file.size:
                return
        here = store.arrived(aside)


def _read_on(remote: Remote, store: ModelStore, file: RemoteFile, aside: str, progress: Progress) -> None:
    with remote.read(file, store.arrived(aside)) as transfer:

        def counted() -> Iterator[bytes]:
            at = transfer.start
            for chunk in transfer:
                at += len(chunk)
                yield chunk
                progress(file, at)

        try:
            store.append(aside, transfer.start, counted())
        except OSError as error:
            what = "The disk is full" if error.errno == errno.ENOSPC else f"The disk refuses it ({error.strerror})"
            raise PullFailed(
                f"{what}: {file.name} stopped at {store.arrived(aside)} bytes; make room, and the same command goes on "
                "from there."
            ) from None


def _verified(store: ModelStore, file: RemoteFile, aside: str) -> Locked:
    size, sha256 = store.arrived(aside), store.sha256(aside)
    if file.size not in {None, size} or file.sha256 not in {None, sha256}:
        store.discard(aside)
        asked = f"{file.size} bytes" if file.size not in {None, size} else f"sha256 {file.sha256}"
        got = f"{size} bytes" if file.size not in {None, size} else sha256
        raise PullFailed(f"{file.name} arrived damaged ({asked} expected, {got} came) and was removed: pull it again.")
    return Locked(size=size, sha256=sha256, url=file.url.partition("?")[0])  # a token may follow


def _hold_to_lock(known: Locked | None, entry: Locked, path: str) -> None:
    if known is not None and known.sha256 != entry.sha256:
        raise PullFailed(
            f"{path} is another file than at its first pull (sha256 {known.sha256}, now {entry.sha256}): take its "
            "entry out of models.lock if you want the new one, or choose another name with --name."
        )
