"""Rotate a project's credentials: new ones now, the old ones let in for a while."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from server.domain.errors import BadRequest
from server.domain.project import AuthMethod, Credential, Project
from server.ports import ProjectStore, SecretBox
from server.services.projects import find_project, hash_key, make_key, prefix_of


class Part(StrEnum):
    """What to replace."""

    BOTH = "both"
    KEY = "key"
    SECRET = "secret"  # noqa: S105 a word


DAY_SECONDS: Final = 24 * 3600.0
_MAX_GRACE_SECONDS: Final = 366 * DAY_SECONDS


@dataclass(frozen=True, slots=True)
class Rotation:
    """What a rotation made: None for a part that stays, or that there is not. `project` is as it is now."""

    api_key: str | None
    api_secret: str | None
    project: Project


def rotate(
    projects: ProjectStore, box: SecretBox, name: str, part: Part = Part.BOTH, grace_seconds: float = DAY_SECONDS
) -> Rotation:
    """Give a project new credentials. What they replace is let in for `grace_seconds`; 0 ends all old ones at once.

    Raises BadRequest for an unknown project, for the secret of one that has none, while the last rotation still has
    its grace, or when somebody else is rotating.
    """
    old = find_project(projects, name)
    _refuse(old, part, grace_seconds)
    key = None if part is Part.SECRET else make_key()
    secret = None if part is Part.KEY or old.auth is AuthMethod.KEY else make_key()
    project = projects.rotate(old, _successor(box, old, key, secret), grace_seconds)
    if project is None:
        raise BadRequest(f"Somebody else has just rotated {old.name!r}; nothing was changed by this call.")
    return Rotation(key, secret, project)


def _refuse(old: Project, part: Part, grace_seconds: float) -> None:
    if not 0 <= grace_seconds <= _MAX_GRACE_SECONDS:
        raise BadRequest("A grace period is between 0 hours and a year.")
    if old.auth is AuthMethod.KEY and part is Part.SECRET:
        raise BadRequest(f"{old.name!r} is a key project and has no secret; rotate its key.")
    if old.retiring is not None and grace_seconds > 0:
        raise BadRequest(
            f"{old.name!r} is in rotation already: end it with `easel project rotate {old.name} --end`, or let "
            "everything older end now with --grace 0."
        )


def _successor(box: SecretBox, old: Project, key: str | None, secret: str | None) -> Credential:
    key_hash = old.key_hash if key is None else hash_key(key.encode())
    prefix = old.key_prefix if key is None else prefix_of(key)
    if old.secret_encrypted is None:
        return Credential(key_hash=key_hash, key_prefix=prefix, secret_encrypted=None)
    # A secret that stays is sealed anew: it is bound to its key's hash.
    plain = box.open(old.secret_encrypted, old.key_hash) if secret is None else secret
    return Credential(key_hash=key_hash, key_prefix=prefix, secret_encrypted=box.seal(plain, key_hash))
