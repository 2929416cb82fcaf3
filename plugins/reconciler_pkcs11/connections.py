"""Open partitions: one worker each, kept until the provider is closed, so that no operation costs a login.

Whatever says HsmUnavailable ends its connection: the next use opens another. After two failures within half a minute
nobody is asked any more for a while: a dead HSM must not hold up everything that needs it, one deadline after another.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from reconciler.errors import DamagedStore, HostError, HsmUnavailable, LockHeld
from reconciler_pkcs11.login import Pin, open_with_pin
from reconciler_pkcs11.partition import Partition
from reconciler_pkcs11.rows import PartitionRow
from reconciler_pkcs11.site import Site

_MOST_FAILURES: Final = 2
_WITHIN: Final = 30_000_000  # microseconds


@dataclass(slots=True)
class _Line:
    """What is known of one partition here."""

    turn: threading.Lock = field(default_factory=threading.Lock)
    opened: tuple[Partition, Pin] | None = None
    failures: list[tuple[int, HsmUnavailable]] = field(default_factory=list)
    lost: str | None = None


class Connections:
    """The open partitions of one provider. Threads may share it."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._turn = threading.Lock()
        self._lines: dict[str, _Line] = {}

    @contextmanager
    def use(self, row: PartitionRow) -> Iterator[Partition]:
        """The partition, for one or a few requests. HsmUnavailable, HsmError."""
        line = self._line(row)
        with self._watched(row, line):
            opened = self._open(row, line)
            with opened[1].heard():
                try:
                    yield opened[0]
                except HsmUnavailable:
                    self._drop(line, opened)
                    raise

    @contextmanager
    def fresh(self, row: PartitionRow) -> Iterator[Partition]:
        """The partition in a worker of its own that has seen nothing yet: what a session says that was open before
        proves nothing (PKCS11.md 3). HsmUnavailable, HsmError."""
        with self._watched(row, self._line(row)):
            partition, pin = open_with_pin(self._site, row)
            try:
                with pin.heard():
                    yield partition
            finally:
                partition.close()

    def drop(self, uid: str) -> None:
        """Close what is open of that partition."""
        with self._turn:
            line = self._lines.get(uid)
        if line is not None:
            self._drop(line, line.opened)

    def close(self) -> None:
        """Close all."""
        with self._turn:
            lines = list(self._lines.values())
            self._lines.clear()
        for line in lines:
            self._drop(line, line.opened)

    def _line(self, row: PartitionRow) -> _Line:
        with self._turn:
            return self._lines.setdefault(row.uid, _Line(lost=row.lost))

    def _open(self, row: PartitionRow, line: _Line) -> tuple[Partition, Pin]:
        with line.turn:
            if line.opened is None:
                recent = [each for each in line.failures if each[0] > self._site.now() - _WITHIN]
                if len(recent) >= _MOST_FAILURES:
                    raise _not_asked(recent[-1][1])
                line.opened = open_with_pin(self._site, row)
            return line.opened

    @contextmanager
    def _watched(self, row: PartitionRow, line: _Line) -> Iterator[None]:
        """Whether the partition answers is recorded when it changes (HS7)."""
        try:
            yield
        except _NotAsked:
            raise
        except HsmUnavailable as error:
            line.failures = [*line.failures[-1:], (self._site.now(), error)]
            if line.lost != error.fault:
                line.lost = error.fault
                self._changed(row, "HsmUnreachable", error.fault, reason=error.summary)
            raise
        line.failures.clear()
        if line.lost is not None:
            line.lost = None
            self._changed(row, "HsmReachable", None)

    def _changed(self, row: PartitionRow, event: str, lost: str | None, **parameters: str) -> None:
        site = self._site
        if not row.ready:
            return
        # By whoever may only look, or was overtaken, it is noticed all the same (DESIGN 4).
        with suppress(HostError, LockHeld, DamagedStore), site.write() as connection:
            connection.execute("UPDATE partition SET lost = ? WHERE uid = ?", (lost, row.uid))
            site.log.append(connection, site.now(), event, parameters={"hsmConfiguration": row.name, **parameters})

    def _drop(self, line: _Line, opened: tuple[Partition, Pin] | None) -> None:
        with line.turn:
            if opened is None or line.opened is not opened:
                return
            line.opened = None
        opened[0].close()


class _NotAsked(HsmUnavailable):
    """Nobody was asked, since it failed a moment ago."""


def _not_asked(last: HsmUnavailable) -> HsmUnavailable:
    return _NotAsked(
        f"{last.summary} (a moment ago; it is not asked again for half a minute)",
        fault=last.fault,
        detail=last.detail,
        suggestion=last.suggestion,
    )
