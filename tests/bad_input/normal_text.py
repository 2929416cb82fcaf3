"""Output with what differs from run to run replaced by words in angle brackets."""

from __future__ import annotations

import re

from reconciler.host.process import Process
from tests.bad_input.place import Place

_VARIES = (
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "<uuid>"),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{0,11}…"), "<uuid>…"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "<id>"),
    (re.compile(r"\b(?!2026-12-31)\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)"), "<time>"),
    (re.compile(r"\b(?!2026-12-31)\d{4}-\d\d-\d\d \d\d:\d\d UTC"), "<time>"),
    (re.compile(r"-\d{8}-\d{6}\b"), "-<time>"),  # in the name of a snapshot
    (re.compile(r"-inaccessible-[0-9a-f]{8}\b"), "-inaccessible-<uid>"),
    (re.compile(r"\bprocess \d+"), "process <pid>"),
    (re.compile(r"\(\d+\.\d s\)"), "(<seconds>)"),
)


def normal(text: str, place: Place) -> str:
    """The text as every machine prints it."""
    for path, word in ((place.project, "<project>"), (place.home, "<home>"), (place.root, "<root>")):
        text = text.replace(str(path), word)
    here = Process.current()
    text = text.replace(f"{here.who} on {here.host}", "<user> on <host>")
    for pattern, word in _VARIES:
        text = pattern.sub(word, text)
    return text
