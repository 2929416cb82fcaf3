"""What happened to partitions and keys (HS7), and every request about a ``Key`` (KM9): one chained log, read by
``audit``.

Each row's hash covers what it says and the hash before it; the last row's stands in ``event_head`` under a MAC of the
seal. Where the head is not what was written, that is recorded for good and the log goes on: one that stops would be a
way to stop the service. No plaintext, ciphertext, key or PIN comes here (AU1).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

from reconciler.access.caller import Caller
from reconciler.audit.checked import AuditBreak, CheckedAudit
from reconciler.audit.event import event
from reconciler.audit.query import AuditQuery
from reconciler.audit.record import AuditRecord
from reconciler.envelope.canonical import encode
from reconciler.envelope.mac import HmacSha256
from reconciler.errors import ReconcilerError
from reconciler.model.ports import Random
from reconciler_pkcs11.names import Names
from reconciler_pkcs11.seal import Seal
from reconciler_pkcs11.times import moment

ITSELF: Final = "hsm.amazonaws.com"
BROKEN: Final = "ReportAuditBreak"
_NOTHING: Final = bytes(32)
_PAGE: Final = 500
_text = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode


class Log:
    """The log of one store. Everything happens in the caller's transaction."""

    def __init__(self, names: Names, seal: Seal, random: Random) -> None:
        self._names, self._seal, self._random = names, seal, random

    def append(
        self,
        connection: sqlite3.Connection,
        now: int,
        name: str,
        *,
        caller: Caller | None = None,
        key_arns: Sequence[str] = (),
        parameters: Mapping[str, Any] | None = None,
        error: ReconcilerError | None = None,
    ) -> None:
        """One event. ``caller`` None: the provider noticed or did it by itself."""
        who = caller or Caller(principal=ITSELF, account=self._names.account)
        origin = who.origin
        said: dict[str, Any] = {
            "name": name,
            "principal": who.principal,
            "account": who.account,
            "via": who.via_service,
            "arns": list(key_arns),
            "parameters": None if parameters is None else dict(parameters),
            "error": None if error is None else [error.code, error.summary],
            "itself": caller is None,
            "request": (self._random.bytes(16) if origin is None else origin.request_id).hex(),
            "event": self._random.bytes(16).hex(),
        }
        if origin is not None:
            said["origin"] = [origin.address, origin.user_agent, origin.access_key_id]
        serial, before, wrong = self._end(connection)
        if wrong is not None:
            report = {**said, "name": BROKEN, "principal": ITSELF, "account": self._names.account, "via": None}
            report |= {"arns": [], "parameters": {"after": serial, "reason": wrong}, "error": None, "itself": True}
            report |= {"event": self._random.bytes(16).hex()}
            serial, before = self._put(connection, serial, before, now, _text(report))
        serial, before = self._put(connection, serial, before, now, _text(said))
        connection.execute(
            "INSERT OR REPLACE INTO event_head VALUES (1, ?, ?, ?)",
            (serial, before, self._mac(connection, serial, before)),
        )

    def check(self, connection: sqlite3.Connection) -> CheckedAudit:
        """Follow the chain from its beginning."""
        count, before = 0, _NOTHING
        for serial, time, said, kept in connection.execute(
            "SELECT serial, time, said, hash FROM event ORDER BY serial"
        ):
            if serial != count + 1:
                return CheckedAudit(count, AuditBreak(count + 1, f"records {count + 1} to {serial - 1} are not there"))
            if _link(before, serial, time, said) != kept:
                return CheckedAudit(count, AuditBreak(serial, "it, or what came before it, was changed"))
            if json.loads(said)["name"] == BROKEN:
                return CheckedAudit(count, AuditBreak(serial, "it reports that the log before it was changed"))
            count, before = serial, kept
        wrong = self._end(connection)[2]
        return CheckedAudit(count, None if wrong is None else AuditBreak(count + 1, wrong))

    def read(
        self, connection: sqlite3.Connection, after: int, query: AuditQuery
    ) -> tuple[int | None, list[tuple[int, dict[str, Any]]]]:
        """One page past serial ``after``: the last serial that was looked at (None: there is no more), and the events
        that ``query`` asks for."""
        found = connection.execute(
            "SELECT serial, time, said FROM event WHERE serial > ? ORDER BY serial LIMIT ?", (after, _PAGE)
        ).fetchall()
        records = ((serial, self._record(time, json.loads(said))) for serial, time, said in found)
        wanted = [(serial, event(record)) for serial, record in records if query.wants(record)]
        return (found[-1][0] if found else None), wanted

    def _put(
        self, connection: sqlite3.Connection, serial: int, before: bytes, now: int, said: str
    ) -> tuple[int, bytes]:
        linked = _link(before, serial + 1, now, said)
        connection.execute("INSERT INTO event VALUES (?, ?, ?, ?)", (serial + 1, now, said, linked))
        return serial + 1, linked

    def _end(self, connection: sqlite3.Connection) -> tuple[int, bytes, str | None]:
        """Serial and hash to append to, and what is wrong with the end."""
        last = connection.execute(
            "SELECT serial, hash FROM event WHERE serial = (SELECT max(serial) FROM event)"
        ).fetchone()
        head = connection.execute("SELECT serial, hash, mac FROM event_head").fetchone()
        serial, before = last or (0, _NOTHING)
        if head is None:
            return serial, before, None if last is None else "its end is not written anywhere"
        if self._mac(connection, head[0], head[1]) != head[2]:
            return max(serial, head[0]), before, "its end is not the one that was written"
        if (serial, before) != (head[0], head[1]):
            return max(serial, head[0]), before, f"it ends with record {serial}, and {head[0]} were written"
        return serial, before, None

    def _mac(self, connection: sqlite3.Connection, serial: int, last: bytes) -> bytes:
        (seal_id,) = connection.execute("SELECT seal_id FROM seal").fetchone()
        message = encode(self._names.account, self._names.region, serial, last)
        return HmacSha256(self._seal.key(seal_id)).tag("hsm event head", message)

    def _record(self, time: int, said: Mapping[str, Any]) -> AuditRecord:
        code, message = said["error"] or (None, None)
        address, agent, access_key = said.get("origin") or ("127.0.0.1", "reconciler", "")
        return AuditRecord(
            time=moment(time),
            name=said["name"],
            principal=said["principal"],
            account=said["account"],
            region=self._names.region,
            owner_account=self._names.account,
            request_id=bytes.fromhex(said["request"]),
            event_id=bytes.fromhex(said["event"]),
            via_service=said["via"],
            parameters=said["parameters"],
            key_arns=tuple(said["arns"]),
            error_code=code,
            error_message=message,
            by_service_itself=said["itself"],
            source_address=address,
            user_agent=agent,
            access_key_id=access_key,
        )


def _link(before: bytes, serial: int, time: int, said: str) -> bytes:
    return sha256(before + encode(serial, time, said)).digest()
