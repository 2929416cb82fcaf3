"""What a call is told that was overtaken by a change of keys. Nobody outside is, before it was tried again with the
keys of now (``mode.repeated``)."""

from __future__ import annotations

from reconciler.errors import ConflictException, DamagedStore


class ModeChanged(ConflictException):
    """New rows are written under another key by now, or in clear: what was sealed for the old one was not
    committed."""


ModeChanged.code = ConflictException.code


class StaleKeys(DamagedStore):
    """The catalogue names a key that was not among those that were opened, or none at all: either it was given another
    since, or catalogue and key ring do not belong together. Opening again tells."""
