"""Apply for pipelines: one JSON event a line (CONTRACT 4, ``schemas/apply-event.json``)."""

from __future__ import annotations

import re
from collections.abc import Callable
from threading import Lock
from typing import Any

from reconciler.errors import Diagnostic
from reconciler.model.event import Event
from reconciler.views.json_text import FORMAT_VERSION, render_json_line

_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")


class ApplyJson:
    """Writes each event as it comes. May be called from several threads; lines never mix."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._lock = Lock()

    def __call__(self, event: Event) -> None:
        """Write one line."""
        line = render_json_line(event_document(event))
        with self._lock:
            self._write(line)


def event_document(event: Event) -> dict[str, Any]:
    """``{"formatVersion": 1, "type": "step-finished", …}``: the event's fields in camel case."""
    document: dict[str, Any] = {"formatVersion": FORMAT_VERSION, "type": event_type(type(event))}
    for name in event.__dataclass_fields__:
        document[_camel(name)] = _plain(getattr(event, name))
    return document


def event_type(event: type[Event]) -> str:
    """The event's class name in kebab case."""
    return _HUMP.sub("-", event.__name__).lower()


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def _plain(value: Any) -> Any:
    if isinstance(value, Diagnostic):
        return value.as_json()
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return value
