"""The row that stands for the whole state: where it is, and the proofs of all that it holds (I9)."""

from __future__ import annotations

import hmac
import sqlite3
from typing import Any, Final, NamedTuple

from reconciler.errors import NotAuthentic, OtherSeal
from reconciler.model.ports import Mac
from reconciler.state.doubt import RESEAL, not_authentic
from reconciler.state.proofs import Proofs

ROWS: Final = "rows"
OPEN: Final = "open intents"
PLANS: Final = "used plans"
_COLUMNS: Final = "lineage, serial, seal, rows, open, plans, dropped, dropped_tag, last, last_tag"
_LEASE: Final = "held, token, who, host, boot_id, pid, started, command, since, expires"
_NO_LEASE: Final = (0, 0, "", "", "", 0, 0, "", 0.0, 0.0)
_BOTH: Final = f"SELECT {_COLUMNS}, {_LEASE}, tag FROM meta m JOIN lease l ON m.one = l.one"  # noqa: S608  # constants
_WIDTH: Final = _COLUMNS.count(",") + 1

Lease = tuple[Any, ...]


class Meta(NamedTuple):
    """``rows``, ``open`` and ``plans`` prove the sums of those sets. The journal's kept entries are those after
    ``dropped`` up to ``last``; the tags are those of these two entries, empty for number 0."""

    lineage: str
    serial: int
    seal: str
    rows: bytes
    open: bytes
    plans: bytes
    dropped: int = 0
    dropped_tag: bytes = b""
    last: int = 0
    last_tag: bytes = b""


class Found(NamedTuple):
    """The meta row and the lease, as they were read in one moment, with their tag."""

    meta: Meta
    lease: Lease
    tag: object

    @property
    def token(self) -> int:
        """The newest fencing token."""
        token = self.lease[1]
        return token if isinstance(token, int) else 0


def fingerprint(seal: Mac) -> str:
    """Names the seal without showing it, so that a foreign state is told from a forged one."""
    return seal.tag("seal fingerprint", b"").hex()[:16]


def first_row(seal: Mac, lineage: str) -> str:
    """The statement that fills ``meta`` of a new state."""
    meta = empty(seal, lineage)
    tag = Proofs(seal, lineage).meta((*meta, *_NO_LEASE))
    values = [f"x'{each.hex()}'" if isinstance(each, bytes) else repr(each) for each in (1, *meta, tag)]
    return f"INSERT INTO meta VALUES ({', '.join(values)})"  # noqa: S608  # hex, numbers and a UUID


def empty(seal: Mac, lineage: str) -> Meta:
    """Of a state that holds nothing."""
    proofs = Proofs(seal, lineage)
    rows, begun, plans = (proofs.sum(name, 0) for name in (ROWS, OPEN, PLANS))
    return Meta(lineage, 0, fingerprint(seal), rows, begun, plans)


def read(connection: sqlite3.Connection) -> Found:
    """The meta row and the lease as they lie there, proved by nothing. NotAuthentic when one is missing."""
    row = connection.execute(_BOTH).fetchone()
    if row is None:
        raise not_authentic("the row that stands for the whole of it, or its lock, is gone")
    return Found(Meta(*row[:_WIDTH]), row[_WIDTH:-1], row[-1])


def read_any(connection: sqlite3.Connection) -> Found:
    """As ``read``, for ``state reseal``: what is missing or makes no sense is told as blank."""
    try:
        found = read(connection)
    except NotAuthentic:
        return Found(Meta("", 0, "", b"", b"", b""), _NO_LEASE, None)
    number = found.meta
    sane = number._replace(
        lineage=str(number.lineage),
        serial=_number(number.serial),
        dropped=_number(number.dropped),
        last=_number(number.last),
    )
    return found if sane == number else found._replace(meta=sane, tag=None)


def make_room(connection: sqlite3.Connection, meta: Meta) -> None:
    """Have both rows there, whatever was, so that they can be written (``state reseal``)."""
    connection.execute("INSERT OR IGNORE INTO lease VALUES (1, 0, 0, '', '', '', 0, 0, '', 0, 0)")
    places = ", ".join("?" * (len(meta) + 2))
    connection.execute(f"INSERT OR REPLACE INTO meta VALUES ({places})", (1, *meta, b""))  # noqa: S608  # only "?"


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def check(found: Found, seal: Mac, proofs: Proofs) -> None:
    """OtherSeal or NotAuthentic unless both are what was written under ``seal``."""
    if found.meta.seal != fingerprint(seal):
        raise OtherSeal(
            "The state was written under another project seal than the one in this home",
            detail="Nothing of it is obeyed: it cannot be told from a forged one.",
            suggestion="If this is not the home that the state was made with (RECONCILER_HOME, --home, another user), "
            f"name that one. Else put the seal back from a backup. If it is lost: {RESEAL}",
        )
    kept = found.tag if isinstance(found.tag, bytes) else b""
    if not hmac.compare_digest(proofs.meta((*found.meta, *found.lease)), kept):
        raise not_authentic("the row that stands for the whole of it, or its lock, was changed")


def read_lease(connection: sqlite3.Connection) -> Lease:
    """The lease as it lies there."""
    lease: Lease = connection.execute(f"SELECT {_LEASE} FROM lease").fetchone()  # noqa: S608  # constants
    return lease


def write(connection: sqlite3.Connection, meta: Meta, lease: Lease, proofs: Proofs) -> Found:
    """Put ``meta`` there, with a tag that covers it and the lease."""
    tag = proofs.meta((*meta, *lease))
    connection.execute(
        "UPDATE meta SET serial = ?, seal = ?, rows = ?, open = ?, plans = ?, dropped = ?, dropped_tag = ?, last = ?,"
        " last_tag = ?, tag = ?",
        (*meta[1:], tag),
    )
    return Found(meta, lease, tag)
