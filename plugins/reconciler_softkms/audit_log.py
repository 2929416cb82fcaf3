"""The audit table: one row per request, appended and never changed (KM9, AU1)."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from reconciler.access.caller import Caller
from reconciler.audit.record import AuditRecord
from reconciler.model.ports import Random
from reconciler_softkms.rows import Names, moment

Row = tuple[object, ...]
_ID_BYTES = 16


def row(
    *,
    now: int,
    name: str,
    caller: Caller,
    key_arns: Sequence[str],
    parameters: Mapping[str, Any] | None,
    ids: bytes,
    response: Mapping[str, Any] | None = None,
    error_code: str | None = None,
    error_message: str | None = None,
    by_service_itself: bool = False,
) -> Row:
    """One request as the table keeps it. ``ids`` are 32 random bytes."""
    return (
        now,
        name,
        caller.principal,
        caller.account,
        caller.via_service,
        " ".join(key_arns),
        None if parameters is None else json.dumps(parameters, separators=(",", ":")),
        None if response is None else json.dumps(response, separators=(",", ":")),
        error_code,
        # A refused request may hold text that is no Unicode; its record must be written all the same.
        None if error_message is None else error_message.encode("utf-8", "backslashreplace").decode(),
        ids[:_ID_BYTES],
        ids[_ID_BYTES:],
        int(by_service_itself),
    )


def fresh_ids(random: Random, count: int) -> list[bytes]:
    """Identifiers for ``count`` rows, drawn at once."""
    drawn = random.bytes(2 * _ID_BYTES * count)
    return [drawn[at : at + 2 * _ID_BYTES] for at in range(0, len(drawn), 2 * _ID_BYTES)]


def append(connection: sqlite3.Connection, rows: Sequence[Row]) -> None:
    """Add the rows, inside the caller's transaction."""
    connection.executemany(
        "INSERT INTO audit (time, name, principal, account, via_service, key_arns, parameters, response, error_code,"
        " error_message, request_id, event_id, by_service_itself) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        rows,
    )


def records(connection: sqlite3.Connection, names: Names, after: int) -> Iterator[tuple[int, AuditRecord]]:
    """Serial and record of every row past serial ``after``, oldest first."""
    found = connection.execute(
        "SELECT serial, time, name, principal, account, via_service, key_arns, parameters, response, error_code,"
        " error_message, request_id, event_id, by_service_itself FROM audit WHERE serial > ? ORDER BY serial",
        (after,),
    )
    for serial, time, name, principal, account, via, arns, parameters, response, code, message, *rest in found:
        when: datetime = moment(time)
        yield (
            serial,
            AuditRecord(
                time=when,
                name=name,
                principal=principal,
                account=account,
                region=names.region,
                owner_account=names.account,
                request_id=rest[0],
                event_id=rest[1],
                via_service=via,
                parameters=None if parameters is None else json.loads(parameters),
                response=None if response is None else json.loads(response),
                key_arns=tuple(arns.split()),
                error_code=code,
                error_message=message,
                by_service_itself=bool(rest[2]),
            ),
        )
