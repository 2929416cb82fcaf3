"""One request as the audit table keeps it, and reading the table back (KM9, AU1). What is appended is never changed.

Texts and ids only: no plaintext, key, ciphertext or token comes here (AU1).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from reconciler.access.caller import Caller
from reconciler.audit.query import AuditQuery
from reconciler.audit.record import AuditRecord
from reconciler.model.ports import Random
from reconciler_softkms.rows import Names, microseconds, moment

Said = tuple[str, str, str, str | None, str, str | None, str | None, str | None]
"""What a record says, and others like it say, too: ``SAID``. Key ARNs stand in one text; ``parameters`` and ``rest``
are JSON."""

Row = tuple[int, bytes, bytes, Said]
"""Time, request id and event id, which are each record's own, and the rest."""

SAID: Final = "name, principal, account, via_service, key_arns, parameters, error_code, rest"
COLUMNS: Final = f"time, request_id, event_id, {SAID}"
TOGETHER: Final = "audit CROSS JOIN audit_said USING (said)"  # in this order: whatever is asked, serials come in turn
"""The table with all columns."""

DENIED: Final = "AccessDeniedException"
ID_BYTES: Final = 16
_APPEND: Final = f"INSERT INTO audit_coming ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - fixed text
_encode = json.JSONEncoder(separators=(",", ":")).encode
_text = json.encoder.encode_basestring_ascii


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
    decisions: Sequence[str] = (),
) -> Row:
    """One request. ``ids`` are 32 random bytes; the rest is ``said``'s."""
    told = said(
        name=name,
        caller=caller,
        key_arns=key_arns,
        parameters=parameters,
        response=response,
        error_code=error_code,
        error_message=error_message,
        by_service_itself=by_service_itself,
        decisions=decisions,
    )
    return with_ids(now, caller, ids, told)


def with_ids(now: int, caller: Caller, ids: bytes, said: Said) -> Row:
    """One request that says that. ``ids`` are 32 random bytes."""
    origin = caller.origin
    return now, ids[:ID_BYTES] if origin is None else origin.request_id, ids[ID_BYTES:], said


def said(
    *,
    name: str,
    caller: Caller,
    key_arns: Sequence[str],
    parameters: Mapping[str, Any] | None,
    response: Mapping[str, Any] | None = None,
    error_code: str | None = None,
    error_message: str | None = None,
    by_service_itself: bool = False,
    decisions: Sequence[str] = (),
) -> Said:
    """What the record of a request says. ``decisions`` are JSON, one for each decision at the door."""
    origin = caller.origin
    rest = [f'"decisions":[{",".join(decisions)}]'] if decisions else []
    if response is not None:
        rest.append(f'"response":{_encode(response)}')
    if error_message is not None:
        rest.append(f'"message":{_encode(error_message)}')
    if origin is not None:
        rest.append(f'"origin":{_encode([origin.address, origin.user_agent, origin.access_key_id])}')
    if caller.dry_run:
        rest.append('"dryRun":true')
    if by_service_itself:
        rest.append('"itself":true')
    return (
        name,
        caller.principal,
        caller.account,
        caller.via_service,
        " ".join(key_arns),
        None if parameters is None else _parameters(parameters),
        error_code,
        f"{{{','.join(rest)}}}" if rest else None,
    )


def _parameters(given: Mapping[str, Any]) -> str:
    """As ``_encode``, with the encryption context remembered: it is that of many requests."""
    parts = []
    for name, value in given.items():
        if type(value) is str:
            parts.append(f'"{name}":{_text(value)}')
        elif name == "encryptionContext":
            parts.append(f'"{name}":{_pairs(tuple(value.items()))}')
        else:
            parts.append(f'"{name}":{_encode(value)}')
    return f"{{{','.join(parts)}}}"


@lru_cache(maxsize=1024)
def _pairs(pairs: tuple[tuple[str, str], ...]) -> str:
    return _encode(dict(pairs))


def fresh_ids(random: Random, count: int) -> list[bytes]:
    """Identifiers for ``count`` rows, drawn at once."""
    drawn = random.bytes(2 * ID_BYTES * count)
    return [drawn[at : at + 2 * ID_BYTES] for at in range(0, len(drawn), 2 * ID_BYTES)]


def append(connection: sqlite3.Connection, rows: Sequence[Row]) -> None:
    """Add the rows in the caller's transaction. They are chained by whoever next has the seal open
    (``audit_chain``)."""
    connection.executemany(_APPEND, [(*own, *said) for *own, said in rows])


def coming(connection: sqlite3.Connection) -> list[Row]:
    """Rows that are not chained yet, in order."""
    found = connection.execute(f"SELECT {COLUMNS} FROM audit_coming ORDER BY number").fetchall()  # noqa: S608 - fixed text
    return [(time, request_id, event_id, tuple(said)) for time, request_id, event_id, *said in found]


def records(
    connection: sqlite3.Connection, names: Names, after: int, query: AuditQuery, most: int
) -> list[tuple[int, AuditRecord]]:
    """Serial and record of at most so many rows past serial ``after`` that may be what ``query`` asks for, oldest
    first. ``AuditQuery.wants`` has the last word."""
    conditions, values = _narrowed(query)
    found = connection.execute(
        f"SELECT serial, {COLUMNS} FROM {TOGETHER} WHERE {' AND '.join(['serial > ?', *conditions])}"  # noqa: S608 - fixed texts
        " ORDER BY serial LIMIT ?",
        (after, *values, most),
    )
    return [(serial, _record(columns, names)) for serial, *columns in found]


def _narrowed(query: AuditQuery) -> tuple[list[str], list[object]]:
    """What SQL can leave out already."""
    out: dict[str, object] = {}
    if query.since is not None:
        out["time >= ?"] = microseconds(query.since)
    if query.event is not None:
        out["name = ? COLLATE NOCASE"] = query.event
    if query.denied:
        out["error_code = ?"] = DENIED
    conditions, values = list(out), list(out.values())
    if query.key_arns:
        conditions.append(f"({' OR '.join(['instr(key_arns, ?)'] * len(query.key_arns))})")
        values += query.key_arns
    for name, value in query.context.items():
        conditions.append("instr(parameters, ?)")
        values.append(f"{_encode(name)}:{_encode(value)}")
    if query.grant_id is not None:
        conditions.append("(instr(parameters, ?) OR instr(rest, ?))")
        values += [query.grant_id, query.grant_id]
    return conditions, values


def _record(columns: Sequence[Any], names: Names) -> AuditRecord:
    time, request_id, event_id, name, principal, account, via, arns, parameters, code, rest = columns
    more: dict[str, Any] = {} if rest is None else json.loads(rest)
    origin = more.get("origin")
    additional: dict[str, Any] = {part: more[part] for part in ("decisions", "dryRun") if part in more}
    return AuditRecord(
        time=moment(time),
        name=name,
        principal=principal,
        account=account,
        region=names.region,
        owner_account=names.account,
        request_id=request_id,
        event_id=event_id,
        via_service=via,
        parameters=None if parameters is None else json.loads(parameters),
        response=more.get("response"),
        key_arns=tuple(arns.split()),
        error_code=code,
        error_message=more.get("message"),
        by_service_itself="itself" in more,
        additional=additional or None,
        **({} if origin is None else dict(zip(_ORIGIN, origin, strict=True))),
    )


_ORIGIN: Final = ("source_address", "user_agent", "access_key_id")
