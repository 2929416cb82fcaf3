"""What a worker is asked, by number, and what it may answer. Both ends are always of one version."""

from __future__ import annotations

from enum import IntEnum


class Request(IntEnum):
    """Fields of each in the order of ``worker.serving``'s functions."""

    OPEN = 1
    LOG_IN = 2
    EXAMINE = 3
    LIST = 4
    GENERATE = 5
    WRAP = 6
    UNWRAP = 7
    RELABEL = 8
    DESTROY = 9


class Answer(IntEnum):
    """``DONE``: fields. ``CALL_FAILED``: the CKR as decimal text, the function, the CKR's name. ``FOUND``: an
    ``HsmFault``, detail. ``NOT_AUTHENTIC``: none. ``UNFORESEEN``: where and what kind of error, never its text."""

    DONE = 1
    CALL_FAILED = 2
    FOUND = 3
    NOT_AUTHENTIC = 4
    UNFORESEEN = 5


MUTATING = frozenset({Request.GENERATE, Request.RELABEL, Request.DESTROY})
