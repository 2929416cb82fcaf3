"""A key's life: made, described, enabled and disabled, tagged, scheduled for deletion and kept from it (KM1)."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from reconciler.access.caller import Caller
from reconciler.errors import ValidationException
from reconciler.providers.keys import KeyDescription, KeyRequest, KeyState
from reconciler_softkms import rows
from reconciler_softkms.door import Door
from reconciler_softkms.operations.policies import accepted_policy
from reconciler_softkms.request import Request
from reconciler_softkms.rows import KeyRow, microseconds_of_days
from reconciler_softkms.specs import check_spec
from reconciler_softkms.states import is_gone, require_not_pending
from reconciler_softkms.tags import check_tags

DESCRIPTION_CHARACTERS = 8192
CREATED = "CREATED"  # the material that a key begins with


def create_key(door: Door, caller: Caller, request: KeyRequest, token: str) -> KeyDescription:
    """See ``KeyProvider.create_key``."""
    parameters: dict[str, Any] = {
        "keySpec": request.key_spec,
        "keyUsage": request.key_usage,
        "description": request.description,
        "multiRegion": request.multi_region,
        "origin": "AWS_KMS",
        "tags": [{"tagKey": key, "tagValue": value} for key, value in request.tags.items()],
    }
    door.store.seal()
    with door.change(caller, "CreateKey", parameters) as asked:
        asked.authorize_account("kms:CreateKey")
        made = rows.key_by_token(asked.connection, token)
        if made is None:
            check_spec(request.key_spec, request.key_usage)
            check_description(request.description)
            check_tags(request.tags)
            row = new_row(door, request, asked.now)
            row = row._replace(policy=accepted_policy(asked, row, request.policy))
            made = insert(asked, row, token)
        description = door.names.describe(made)
        asked.key_arns.append(description.arn)
        asked.response = {"keyMetadata": {"arn": description.arn, "keyId": description.key_id}}
        return description


def new_row(door: Door, request: KeyRequest, now: int) -> KeyRow:
    """A key as it will be kept, with a fresh id and no material yet."""
    raw = door.random.bytes(16)
    key_id = f"mrk-{raw.hex()}" if request.multi_region else str(uuid.UUID(bytes=raw, version=4))
    return KeyRow(
        key_id=key_id,
        owner=None,
        description=request.description,
        key_spec=request.key_spec,
        key_usage=request.key_usage,
        state=KeyState.ENABLED.value,
        multi_region=int(request.multi_region),
        created_at=now,
        material_id="",
        rotated_at=now,
        rotation_days=None,
        deletion_at=None,
        policy=None,
        tags=json.dumps(dict(request.tags), ensure_ascii=False),
    )


def insert(asked: Request, row: KeyRow, token: str | None) -> KeyRow:
    """Write a new key and its first material, inside the request's transaction; the row as it now stands."""
    marks = ", ".join("?" * (len(row) + 1))
    asked.connection.execute(
        f"INSERT INTO keys ({rows.COLUMNS}, token) VALUES ({marks})",  # noqa: S608 - only question marks
        (*row, token),
    )
    material_id = asked.door.materials.add(
        asked.connection, row.key_id, row.key_spec, kind=CREATED, now=asked.now, token=None
    )
    asked.connection.execute("UPDATE keys SET material_id = ? WHERE key_id = ?", (material_id, row.key_id))
    return row._replace(material_id=material_id)


def find_key(door: Door, caller: Caller, token: str) -> KeyDescription | None:
    """See ``KeyProvider.find_key``; for whoever may create keys."""
    with door.look(caller, "ListKeys", None) as asked:
        asked.authorize_account("kms:CreateKey")
        row = rows.key_by_token(asked.connection_if_any, token) if asked.connection_if_any else None
        if row is None or is_gone(row, asked.now):
            return None
        asked.key_arns.append(door.names.key_arn(row.key_id))
        return door.names.describe(row)


def describe_keys(door: Door, caller: Caller, key_ids: Sequence[str]) -> dict[str, KeyDescription]:
    """See ``KeyProvider.describe_keys``: one query for all that are named by id or ARN, one record each."""
    described: dict[str, KeyDescription] = {}
    with door.look(caller, "DescribeKey", {}) as asked:
        for asked_by, row in asked.sweep(key_ids, by_alias=True):
            asked.authorize(row, "kms:DescribeKey")
            described[asked_by] = door.names.describe(row)
    return described


def list_keys(door: Door, caller: Caller) -> list[KeyDescription]:
    """See ``KeyProvider.list_keys``."""
    with door.look(caller, "ListKeys", None) as asked:
        asked.authorize_account("kms:ListKeys")
        if asked.connection_if_any is None:
            return []
        found = rows.customer_keys(asked.connection)
        return [door.names.describe(row) for row in found if not is_gone(row, asked.now)]


def update_description(door: Door, caller: Caller, key_id: str, description: str) -> None:
    """See ``KeyProvider.update_key_description``."""
    with door.change(caller, "UpdateKeyDescription", {"keyId": key_id, "description": description}) as asked:
        row = asked.key(key_id)
        asked.authorize(row, "kms:UpdateKeyDescription")
        require_not_pending(row, door.names.key_arn(row.key_id))
        check_description(description)
        asked.connection.execute("UPDATE keys SET description = ? WHERE key_id = ?", (description, row.key_id))


def set_state(door: Door, caller: Caller, key_id: str, name: str, state: KeyState) -> None:
    """EnableKey and DisableKey."""
    with door.change(caller, name, {"keyId": key_id}) as asked:
        row = asked.key(key_id)
        asked.authorize(row, f"kms:{name}")
        require_not_pending(row, door.names.key_arn(row.key_id))
        asked.connection.execute("UPDATE keys SET state = ? WHERE key_id = ?", (state.value, row.key_id))


def schedule_deletion(door: Door, caller: Caller, key_id: str, waiting_days: int) -> datetime:
    """See ``KeyProvider.schedule_key_deletion``."""
    parameters = {"keyId": key_id, "pendingWindowInDays": waiting_days}
    with door.change(caller, "ScheduleKeyDeletion", parameters) as asked:
        row = asked.key(key_id)
        days = {"kms:schedulekeydeletionpendingwindowindays": (str(waiting_days),)}
        asked.authorize(row, "kms:ScheduleKeyDeletion", attributes=days)
        if not 7 <= waiting_days <= 30:
            raise ValidationException(f"The waiting time of a deletion is 7 to 30 days, not {waiting_days}")
        if row.deletion_at is None:
            deletion_at = asked.now + microseconds_of_days(waiting_days)
            asked.connection.execute(
                "UPDATE keys SET state = ?, deletion_at = ? WHERE key_id = ?",
                (KeyState.PENDING_DELETION.value, deletion_at, row.key_id),
            )
        else:
            deletion_at = row.deletion_at
        date = rows.moment(deletion_at)
        asked.response = {"keyId": door.names.key_arn(row.key_id), "deletionDate": date.isoformat()}
        return date


def cancel_deletion(door: Door, caller: Caller, key_id: str) -> None:
    """See ``KeyProvider.cancel_key_deletion``."""
    with door.change(caller, "CancelKeyDeletion", {"keyId": key_id}) as asked:
        row = asked.key(key_id)
        asked.authorize(row, "kms:CancelKeyDeletion")
        if row.deletion_at is not None:
            asked.connection.execute(
                "UPDATE keys SET state = ?, deletion_at = NULL WHERE key_id = ?", (KeyState.DISABLED.value, row.key_id)
            )


def tag(door: Door, caller: Caller, key_id: str, tags: Mapping[str, str]) -> None:
    """See ``KeyProvider.tag_resource``."""
    written = [{"tagKey": key, "tagValue": value} for key, value in tags.items()]
    with door.change(caller, "TagResource", {"keyId": key_id, "tags": written}) as asked:
        row = asked.key(key_id)
        asked.authorize(row, "kms:TagResource", request_tags=tags)
        require_not_pending(row, door.names.key_arn(row.key_id))
        all_tags = json.loads(row.tags) | dict(tags)
        check_tags(all_tags)
        _write_tags(asked, row, all_tags)


def untag(door: Door, caller: Caller, key_id: str, tag_keys: Sequence[str]) -> None:
    """See ``KeyProvider.untag_resource``."""
    with door.change(caller, "UntagResource", {"keyId": key_id, "tagKeys": list(tag_keys)}) as asked:
        row = asked.key(key_id)
        asked.authorize(row, "kms:UntagResource", request_tags=dict.fromkeys(tag_keys, ""))
        require_not_pending(row, door.names.key_arn(row.key_id))
        _write_tags(asked, row, {key: value for key, value in json.loads(row.tags).items() if key not in tag_keys})


def check_description(description: str) -> None:
    """ValidationException when it is too long."""
    if len(description) > DESCRIPTION_CHARACTERS:
        raise ValidationException(
            f"A description has at most {DESCRIPTION_CHARACTERS} characters; this one has {len(description)}"
        )


def _write_tags(asked: Request, row: KeyRow, tags: Mapping[str, str]) -> None:
    text = json.dumps(tags, ensure_ascii=False)
    asked.connection.execute("UPDATE keys SET tags = ? WHERE key_id = ?", (text, row.key_id))
