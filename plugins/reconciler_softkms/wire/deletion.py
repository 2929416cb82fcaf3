"""ScheduleKeyDeletion, CancelKeyDeletion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from reconciler.access.caller import Caller
from reconciler_softkms.door import Door
from reconciler_softkms.operations import deleting
from reconciler_softkms.wire.keys import OfKey
from reconciler_softkms.wire.operation import Operation
from reconciler_softkms.wire.request import Asked, KeyName


class ScheduleKeyDeletion(Asked):
    """Its form. The public model says 1 to 365 days; the service enforces 7 to 30."""

    key_id: KeyName
    pending_window_in_days: Annotated[int, Field(ge=1, le=365)] = deleting.LONGEST_DAYS


def schedule_key_deletion(door: Door, caller: Caller, asked: ScheduleKeyDeletion) -> Mapping[str, Any]:
    """When the key goes; no date while a primary waits for its replicas."""
    found = deleting.schedule_deletion(door, caller, asked.key_id, asked.pending_window_in_days)
    return {
        "KeyId": found.key_arn,
        "DeletionDate": found.date,
        "KeyState": found.state.value,
        "PendingWindowInDays": found.waiting_days,
    }


def cancel_key_deletion(door: Door, caller: Caller, asked: OfKey) -> Mapping[str, Any]:
    """The key's ARN."""
    return {"KeyId": deleting.cancel_deletion(door, caller, asked.key_id)}


OPERATIONS = {
    "ScheduleKeyDeletion": Operation(ScheduleKeyDeletion, schedule_key_deletion),
    "CancelKeyDeletion": Operation(OfKey, cancel_key_deletion),
}
