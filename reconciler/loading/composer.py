"""The fast way from YAML text to plain trees of dict, list and str, over PyYAML's C event stream (T11).

Every scalar stays a string: the schema says what it means, so ``012345670123`` stays an account and ``no`` a word.
Nothing is kept but the trees and the line of each document. Whatever is not plainly in order ends in ``Doubt``, and
``inspection`` reads the text again, slowly, with a position for every node. So this pass need not explain anything, and
a text that it accepts is one that ``inspection`` accepts with the same trees (a property test holds it to that).
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import yaml
from yaml.events import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from reconciler.resources.quoted import Quoted

EventParser: Any
try:
    from yaml._yaml import CParser as EventParser
except ImportError:  # PyYAML built without libyaml: the same events, slower
    from yaml import SafeLoader as EventParser

DEEPEST = 64
MOST_NODES = 100_000
LITERAL = re.compile(r"true|false|-?[0-9]+").fullmatch
EMPTY = frozenset({"", "~", "null", "Null", "NULL"})
_NO_KEY = frozenset({"", "~"})

# Anchors, tags, merge keys, escapes and directives are rare; where one of their characters occurs, the careful pass
# decides what it is. (An alias needs an anchor, or is an event of its own.)
_RARE = ("&", "!", "<<", "\\", "%")


class Doubt(Exception):
    """The text needs a closer look."""


class Document(NamedTuple):
    """One document: the line (from 1) at which its content begins, and its tree."""

    line: int
    tree: Any


def compose(text: str) -> list[Document]:
    """The documents of a text, empty ones left out. Doubt for everything that is not plainly in order."""
    if any(rare in text for rare in _RARE):
        raise Doubt
    try:
        return _compose(text)
    except yaml.YAMLError:
        raise Doubt from None


def _compose(text: str) -> list[Document]:  # noqa: PLR0912, PLR0915  # one loop: a call per event would double its time
    get_event = EventParser(text).get_event
    documents: list[Document] = []
    stack: list[tuple[Any, Any]] = []  # what is open around ``current``, with the key that waits for it
    current: Any = None  # the open mapping or sequence
    key: Any = None  # of the open mapping: what waits for its value
    is_mapping = False
    begin: Any = None  # where the document's content starts
    while True:
        event = get_event()
        kind = event.__class__
        if is_mapping and kind is ScalarEvent:  # a key: its value comes next
            key = event.value
            if key in current or key in _NO_KEY:
                raise Doubt
            event = get_event()
            kind = event.__class__
            if kind is ScalarEvent:
                value = event.value
                if not event.style:
                    if value in EMPTY:
                        raise Doubt
                    current[key] = value
                else:
                    current[key] = Quoted(value) if LITERAL(value) else value
                continue
        elif is_mapping and kind is not MappingEndEvent:
            raise Doubt  # a key that is no scalar
        if kind is ScalarEvent:
            value = event.value
            if current is None:
                if value or event.style:
                    raise Doubt  # a document that is a lone word
            elif not event.style and value in EMPTY:
                raise Doubt
            else:
                current.append(Quoted(value) if event.style and LITERAL(value) else value)
        elif kind is MappingStartEvent or kind is SequenceStartEvent:
            if len(stack) >= DEEPEST:
                raise Doubt
            if current is None:
                begin = event.start_mark
            stack.append((current, key))
            is_mapping = kind is MappingStartEvent
            current = {} if is_mapping else []
        elif kind is MappingEndEvent or kind is SequenceEndEvent:
            done = current
            current, key = stack.pop()
            if is_mapping := current.__class__ is dict:
                current[key] = done
            elif current is not None:
                current.append(done)
            else:
                if event.end_mark.index - begin.index > MOST_NODES:  # fewer characters cannot hold too many nodes
                    raise Doubt
                documents.append(Document(begin.line + 1, done))
        elif kind is StreamEndEvent:
            return documents
        elif kind is AliasEvent:
            raise Doubt
