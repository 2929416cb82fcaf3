"""GetKeyLastUsage: when a key was last used, and for what, as the audit log tells it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from reconciler.access.caller import Caller
from reconciler_softkms import audit_log, audit_reading
from reconciler_softkms.door import Door
from reconciler_softkms.rows import moment

_USES: Final = (
    *("Encrypt", "Decrypt", "ReEncrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext"),
    *("GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext", "Sign", "Verify"),
    *("GenerateMac", "VerifyMac", "DeriveSharedSecret"),
)
_LAST: Final = (
    f"SELECT name, time, event_id, request_id FROM {audit_log.TOGETHER} WHERE instr(key_arns, ?) AND error_code IS NULL"  # noqa: S608 - fixed text
    " AND name IN (SELECT value FROM json_each(?)) ORDER BY serial DESC LIMIT 1"
)


@dataclass(frozen=True, slots=True)
class Used:
    """One successful use."""

    operation: str
    time: datetime
    event_id: bytes
    request_id: bytes


@dataclass(frozen=True, slots=True)
class LastUsage:
    """``last`` is None for a key that was never used. Every use since the key was made is on record."""

    key_arn: str
    created_at: datetime
    last: Used | None


def last_usage(door: Door, caller: Caller, key_id: str) -> LastUsage:
    """Of the key of that id or ARN."""
    audit_reading.gather(door)
    with door.look(caller, "GetKeyLastUsage", {"keyId": key_id}) as asked:
        row = asked.key(key_id)
        asked.authorize(row, "kms:GetKeyLastUsage")
        arn = door.names.key_arn(row.key_id)
        found = asked.connection.execute(_LAST, (arn, json.dumps(_USES))).fetchone()
        last = None if found is None else Used(found[0], moment(found[1]), found[2], found[3])
        return LastUsage(arn, moment(row.created_at), last)
