"""Ids and JSON: the small types everything else is made of."""

from collections.abc import Mapping, Sequence
from typing import NewType, TypeAlias

TaskId = NewType("TaskId", int)
ProjectId = NewType("ProjectId", int)
FileId = NewType("FileId", int)
FolderId = NewType("FolderId", int)
WorkerId = NewType("WorkerId", str)

JsonValue: TypeAlias = "str | int | float | bool | Sequence[JsonValue] | Mapping[str, JsonValue] | None"
JsonObject: TypeAlias = Mapping[str, JsonValue]
