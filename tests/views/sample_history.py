"""A journal with an entry of each sort."""

from __future__ import annotations

from datetime import UTC, datetime

from reconciler.model.address import Address
from reconciler.state.store import Entry, What

_START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC).timestamp()


def _entry(
    seq: int,
    what: What,
    address: str = "",
    verb: str = "",
    step: str = "",
    *,
    number: int | None = None,
    serial: int = 2,
    token: int = 5,
    text: str = "",
) -> Entry:
    return Entry(
        seq=seq,
        number=number or seq,
        what=what,
        address=Address(address) if address else None,
        step=step,
        verb=verb,
        serial=serial,
        token=token,
        at=_START + 10 * (seq - 11),
        text=text,
    )


HISTORY = [
    _entry(11, What.DONE, "Key/gone", "delete", "schedule", number=9, serial=1, token=4),
    _entry(12, What.TAKEN, serial=1, text='ops on ci-7, process 4711, running "apply"'),
    _entry(13, What.BEGUN, "Key/a", "create", "create-key", serial=1),
    _entry(14, What.DONE, "Key/a", "create", "create-key", number=13),
    _entry(15, What.BEGUN, "Key/b", "update", "tag"),
    _entry(16, What.BEGUN, "Key/c", "update", "tag"),
    _entry(17, What.ABANDONED, "Key/b", "update", "tag", number=15, token=6, text="it never happened"),
    _entry(18, What.NOTED, "Key/a", "forget", serial=3, token=6, text="by state rm"),
    _entry(19, What.NOTED, "", "reseal", serial=3, token=6, text="1 taken over"),
]
