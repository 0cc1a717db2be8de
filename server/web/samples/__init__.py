"""Every call of the API as code to copy: one place makes them all, from a model and the values of its form."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from server.web.samples import curl, javascript, python
from server.web.samples.subject import Subject, calls_of

TOPICS: Final = MappingProxyType(
    {
        "run": "Run",
        "detail": "Detail",
        "follow": "Follow",
        "kill": "Kill",
        "cancel": "Cancel",
        "folder": "Create a folder",
        "upload": "Upload",
    }
)
LANGUAGES: Final = MappingProxyType({"curl": "curl", "python": "Python", "javascript": "JavaScript"})

_MAKERS: Final = {"curl": curl, "python": python, "javascript": javascript}


def samples_of(subject: Subject) -> Mapping[str, Mapping[str, str]]:
    """Return the code of each topic in each language. Each is whole: it runs once key and secret stand in it."""
    made = {
        topic: {name: maker.call(subject, it) for name, maker in _MAKERS.items()} for topic, it in calls_of(subject)
    }
    made["follow"] = {name: maker.follow(subject) for name, maker in _MAKERS.items()}
    made["upload"] = {name: maker.upload(subject) for name, maker in _MAKERS.items()}
    return {topic: made[topic] for topic in TOPICS}
