"""Where a SQLite file may lie: on a disk of this machine, whose locks and shared memory are real."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_NETWORK: Final = frozenset(
    {"afs", "beegfs", "ceph", "cifs", "glusterfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "smb2", "smb3", "smbfs"}
)
_NETWORK_FUSE: Final = frozenset(
    {
        *("blobfuse", "blobfuse2", "ceph", "ceph-fuse", "cifs", "curlftpfs", "davfs", "davfs2", "gcsfuse", "geesefs"),
        *("glusterfs", "goofys", "juicefs", "moosefs", "mfs", "mount-s3", "nfs", "rclone", "s3fs", "seaweedfs"),
        *("smbnetfs", "sshfs", "weed"),
    }
)
_MOUNTS: Final = Path("/proc/self/mountinfo")


class NetworkFilesystem(ValueError):
    """A SQLite file lies where its locks don't work."""


def refuse_network(database: str) -> None:
    """Raise NetworkFilesystem where the file lies, or would lie, on a file system of the network."""
    kind = network_filesystem(os.path.realpath(database), _mounts())
    if kind is not None:
        raise NetworkFilesystem(
            f"{database} lies on a network file system ({kind}), where SQLite loses data. Put it on a local disk "
            "(EASEL_DATA_DIR, or the path in EASEL_DATABASE_URL), or use PostgreSQL."
        )


def network_filesystem(path: str, mounts: str) -> str | None:
    """Return the kind of network file system that holds an absolute path; None for any other.

    `mounts` is the text of Linux's /proc/self/mountinfo. It tells what a statfs magic number does not: which program
    stands behind FUSE. Elsewhere, and where nothing is known, nothing is refused.
    """
    best, kind = -1, ""
    for place, found in _places(mounts):
        inside = path == place or path.startswith(place.rstrip("/") + "/")
        if inside and len(place) >= best:  # of two mounts on one place the later one is seen
            best, kind = len(place), found
    plain = kind.lower()
    fuse = plain.removeprefix("fuse.") if plain.startswith("fuse.") else ""
    return kind if plain in _NETWORK or fuse in _NETWORK_FUSE else None


def _places(mounts: str) -> Iterator[tuple[str, str]]:
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        fields, kinds = before.split(" "), after.split(" ")
        if len(fields) > 4 and kinds[0]:  # noqa: PLR2004 see proc(5): the fifth is the mount point
            yield _unescaped(fields[4]), kinds[0]


def _unescaped(field: str) -> str:
    """Undo the kernel's octal escapes of blanks and backslashes."""
    for escaped, plain in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(escaped, plain)
    return field


def _mounts() -> str:
    try:
        return _MOUNTS.read_text(errors="surrogateescape")
    except OSError:
        return ""
