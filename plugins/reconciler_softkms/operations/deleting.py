"""ScheduleKeyDeletion, CancelKeyDeletion (KM1). A primary's window begins when its last replica is gone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from reconciler.access.caller import Caller
from reconciler.errors import ValidationException
from reconciler.providers.keys import KeyState
from reconciler_softkms import rows
from reconciler_softkms.door import Door
from reconciler_softkms.request import Request
from reconciler_softkms.rows import EXTERNAL, KeyRow, microseconds_of_days
from reconciler_softkms.states import is_pending_deletion, require_deletable, require_pending_deletion

SHORTEST_DAYS: Final = 7
LONGEST_DAYS: Final = 30


@dataclass(frozen=True, slots=True)
class Scheduled:
    """``date`` is None while a primary waits for its replicas."""

    key_arn: str
    state: KeyState
    waiting_days: int
    date: datetime | None


def schedule_deletion(
    door: Door, caller: Caller, key_id: str, waiting_days: int, *, repeatable: bool = False
) -> Scheduled:
    """Begin the deletion window. ``repeatable``: what is scheduled already is answered as it stands
    (``KeyProvider.schedule_key_deletion``); else KMSInvalidStateException."""
    parameters = {"keyId": key_id, "pendingWindowInDays": waiting_days}
    with door.change(caller, "ScheduleKeyDeletion", parameters) as asked:
        row = asked.key(key_id)
        days = {"kms:schedulekeydeletionpendingwindowindays": (str(waiting_days),)}
        asked.authorize(row, "kms:ScheduleKeyDeletion", attributes=days)
        if not SHORTEST_DAYS <= waiting_days <= LONGEST_DAYS:
            raise ValidationException(
                f"The waiting time of a deletion is {SHORTEST_DAYS} to {LONGEST_DAYS} days, not {waiting_days}"
            )
        if not (repeatable and is_pending_deletion(row)):
            require_deletable(row, door.names.key_arn(row.key_id))
            row = _scheduled(asked, row, waiting_days)
        answer = Scheduled(
            door.names.key_arn(row.key_id),
            KeyState(row.state),
            row.waiting_days or waiting_days,
            None if row.deletion_at is None else rows.moment(row.deletion_at),
        )
        date = "" if answer.date is None else answer.date.isoformat()
        asked.response = {"keyId": answer.key_arn, "keyState": row.state, "deletionDate": date}
        return answer


def cancel_deletion(door: Door, caller: Caller, key_id: str, *, repeatable: bool = False) -> str:
    """See ``KeyProvider.cancel_key_deletion``; the key's ARN. Unless ``repeatable``, KMSInvalidStateException for a key
    that is not pending deletion."""
    with door.change(caller, "CancelKeyDeletion", {"keyId": key_id}) as asked:
        row = asked.key(key_id)
        asked.authorize(row, "kms:CancelKeyDeletion")
        arn = door.names.key_arn(row.key_id)
        if not repeatable:
            require_pending_deletion(row, arn)
        if is_pending_deletion(row):
            state = KeyState.DISABLED if has_material(asked, row) else KeyState.PENDING_IMPORT
            asked.connection.execute(
                "UPDATE keys SET state = ?, deletion_at = NULL, waiting_days = NULL WHERE key_id = ?",
                (state.value, row.key_id),
            )
        asked.response = {"keyId": arn}
        return arn


def has_material(asked: Request, row: KeyRow) -> bool:
    """Whether all material that the key is used with is there."""
    if row.origin != EXTERNAL:
        return True
    (lost,) = asked.connection.execute(
        "SELECT count(*) FROM materials WHERE key_id = ? AND kind != 'PENDING_ROTATION'"
        " AND (sealed IS NULL OR expires_at <= ?)",
        (row.key_id, asked.now),
    ).fetchone()
    return row.material_id != "" and not lost


def _scheduled(asked: Request, row: KeyRow, waiting_days: int) -> KeyRow:
    deletion_at: int | None = asked.now + microseconds_of_days(waiting_days)
    state = KeyState.PENDING_DELETION
    if row.replicas != "[]" and row.primary_region == asked.names.region:
        state, deletion_at = KeyState.PENDING_REPLICA_DELETION, None
        asked.share(row)  # some of them may be gone by now
    asked.connection.execute(
        "UPDATE keys SET state = ?, deletion_at = ?, waiting_days = ? WHERE key_id = ?",
        (state.value, deletion_at, waiting_days, row.key_id),
    )
    return row._replace(state=state.value, deletion_at=deletion_at, waiting_days=waiting_days)
