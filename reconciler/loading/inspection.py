"""The careful way from YAML text to trees: a position for every node, and every problem of the text explained.

Only read when the fast pass (``composer``) is in doubt or when something must be pointed at, so its speed matters
little. It goes on after whatever does not spoil the rest: a value that is refused stands in the tree as ``REFUSED``, so
that all problems of a file come in one run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from reconciler.loading.characters import UNPRINTABLE
from reconciler.loading.composer import DEEPEST, EMPTY, LITERAL, MOST_NODES, EventParser
from reconciler.resources.quoted import Quoted

Path = tuple[str | int, ...]


class Place(NamedTuple):
    """Where something stands; both count from 1."""

    line: int
    column: int


class Refused:
    """Stands for a value that was refused already."""


REFUSED: Final = Refused()


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a text, where. ``path`` is within the document."""

    code: str
    message: str
    place: Place
    path: Path = ()
    suggestion: str | None = None


@dataclass(slots=True)
class Inspected:
    """A document with the place of each key and each value, and its own problems."""

    place: Place
    tree: Any
    keys: dict[Path, Place] = field(default_factory=dict)
    values: dict[Path, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def at(self, path: Path) -> Place:
        """The place of the key at ``path``, else of the value, else of the nearest that contains it."""
        for end in range(len(path), 0, -1):
            place = self.keys.get(path[:end]) or self.values.get(path[:end])
            if place is not None:
                return place
        return self.place

    def value_at(self, path: Path) -> Place:
        """The place of the value at ``path``, else of the nearest that contains it."""
        return self.values.get(path) or self.at(path)


@dataclass(slots=True)
class Inspection:
    """All documents that could be read, and the problem that ended the text, with those of the document before it."""

    documents: list[Inspected] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Whether the text was read to its end."""
        return not self.problems


class _Stop(Exception):
    """The rest of the text cannot be read."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


def inspect(text: str) -> Inspection:
    """Read a text that was checked by ``files`` (size, encoding, characters)."""
    return _Reader(text).read()


class _Reader:
    def __init__(self, text: str) -> None:
        self._get_event = EventParser(text).get_event
        self._found = Inspection()
        self._document = Inspected(Place(1, 1), None)
        self._nodes = 0

    def read(self) -> Inspection:
        try:
            while True:
                event = self._get_event()
                if event is None or isinstance(event, StreamEndEvent):
                    break
                if isinstance(event, DocumentStartEvent):
                    self._read_document(event)
        except _Stop as stop:
            self._found.problems = [*self._document.problems, stop.problem]
        except yaml.YAMLError as error:
            self._found.problems = [*self._document.problems, _explain(error)]
        return self._found

    def _read_document(self, start: DocumentStartEvent) -> None:
        self._nodes = 0
        event = self._get_event()
        self._document = Inspected(_place(event), None)
        if start.tags:
            self._problem(
                "tag-refused", "%TAG directives are not accepted", start, (), "Remove the line that begins with %TAG."
            )
        if isinstance(event, ScalarEvent) and not (event.value or event.style or event.tag or event.anchor):
            return  # nothing between two document markers
        self._document.tree = self._value(event, (), 0)
        self._found.documents.append(self._document)
        self._document = Inspected(Place(1, 1), None)

    def _value(self, event: Any, path: Path, depth: int) -> Any:
        self._document.values[path] = _place(event)
        self._nodes += 1
        if self._nodes > MOST_NODES:
            raise _Stop(
                Problem(
                    "too-many-nodes",
                    f"a document may hold at most {MOST_NODES:,} values",
                    _place(event),
                    path,
                    "Split it into several documents.",
                )
            )
        if isinstance(event, AliasEvent):
            return self._problem(
                "alias-refused",
                f"YAML aliases (*{str(event.anchor)[:80]}) are not accepted",
                event,
                path,
                "Write the value out.",
            )
        self._properties(event, path)
        if isinstance(event, ScalarEvent):
            return self._scalar(event, path)
        if depth >= DEEPEST:
            raise _Stop(Problem("too-deep", f"nested more than {DEEPEST} levels deep", _place(event)))
        if isinstance(event, SequenceStartEvent):
            return self._sequence(path, depth)
        return self._mapping(path, depth)

    def _properties(self, event: Any, path: Path) -> None:
        if event.anchor is not None:
            self._problem(
                "anchor-refused",
                f"YAML anchors (&{event.anchor[:80]}) are not accepted",
                event,
                path,
                "Remove the anchor.",
            )
        if event.tag is not None:
            self._problem(
                "tag-refused",
                f"YAML tags ({event.tag[:80]}) are not accepted",
                event,
                path,
                "Remove the tag; what a value means is decided by its field.",
            )

    def _scalar(self, event: ScalarEvent, path: Path) -> Any:
        value: str = event.value
        if not event.style and value in EMPTY:
            return self._problem(
                "empty-value",
                "an empty value is an error" if value in ("", "~") else f"{value} is an error: an empty value",
                event,
                path,
                'Remove the field, or write "" for an empty text.',
            )
        bad = UNPRINTABLE.search(value)  # an escape within quotes brings back what the text itself may not hold
        if bad is not None:
            return self._problem(
                "control-character", f"the text holds the character U+{ord(bad[0]):04X}, which is refused", event, path
            )
        return Quoted(value) if event.style and LITERAL(value) else value

    def _sequence(self, path: Path, depth: int) -> list[Any]:
        entries: list[Any] = []
        while not isinstance(event := self._get_event(), SequenceEndEvent):
            entries.append(self._value(event, (*path, len(entries)), depth + 1))
        return entries

    def _mapping(self, path: Path, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not isinstance(event := self._get_event(), MappingEndEvent):
            key = self._key(event, path, depth)
            below = (*path, "?" if key is REFUSED else key)
            repeated = key in found
            if repeated:
                first = self._document.keys[below]
                self._problem(
                    "duplicate-key", f'"{key}" stands here a second time (first in line {first.line})', event, below
                )
            elif key is not REFUSED:
                self._document.keys[below] = _place(event)
            value = self._value(self._get_event(), (*path, "\0") if repeated else below, depth + 1)
            if not repeated and key is not REFUSED:
                found[key] = value
        return found

    def _key(self, event: Any, path: Path, depth: int) -> Any:
        if not isinstance(event, ScalarEvent):
            if not isinstance(event, AliasEvent):
                self._value(event, (*path, "?"), depth + 1)
            return self._problem("key-refused", "a key must be a text", event, (*path, "?"))
        self._properties(event, path)
        if event.value == "<<" and not event.style:
            return self._problem(
                "merge-key",
                "merge keys (<<) are not accepted",
                event,
                (*path, "<<"),
                "Write out the fields that they merge.",
            )
        if not event.style and event.value in ("", "~"):
            return self._problem("empty-value", "an empty key is an error", event, (*path, "?"))
        if UNPRINTABLE.search(event.value):
            return self._problem("control-character", "the key holds a character that is refused", event, (*path, "?"))
        return event.value

    def _problem(self, code: str, message: str, event: Any, path: Path, suggestion: str | None = None) -> Any:
        self._document.problems.append(Problem(code, message, _place(event), path, suggestion))
        return REFUSED


def _place(event: Any) -> Place:
    mark = event.start_mark
    return Place(mark.line + 1, mark.column + 1)


def _explain(error: yaml.YAMLError) -> Problem:
    words = str(getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read")
    marks = [getattr(error, "problem_mark", None), getattr(error, "context_mark", None)]
    if "unexpected end of stream" in words:
        marks.reverse()  # the end of the file is noticed far below the quote that was never closed
    mark = marks[0] or marks[1]
    place = Place(1, 1) if mark is None else Place(mark.line + 1, mark.column + 1)
    context = getattr(error, "context", None)
    message = f"not valid YAML: {words}" + (f", {context}" if context else "")
    return Problem("yaml-syntax", message, place, (), _cure(words))


def _cure(words: str) -> str | None:
    if "mapping values are not allowed" in words:
        return 'Put quotes around a text that holds ": ", and check the indentation.'
    if "cannot start any token" in words:
        return "Indent with spaces, never tabs; put quotes around a text that begins with @, ` or %."
    if "unexpected end of stream" in words:
        return "Close the quotes."
    return None
