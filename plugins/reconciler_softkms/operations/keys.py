"""A key's life: made, described, enabled and disabled (KM1). Its tags, aliases, rotation and end are beside this."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Final

from reconciler.access.caller import Caller
from reconciler.envelope.data_key import DataKey
from reconciler.errors import UnsupportedOperationException, ValidationException
from reconciler.providers.keys import KeyDescription, KeyRequest, KeyState
from reconciler_softkms import rows
from reconciler_softkms.door import Door
from reconciler_softkms.material_rows import CREATED
from reconciler_softkms.operations.policies import accepted_policy
from reconciler_softkms.pages import Page, PageOf, page
from reconciler_softkms.request import Request
from reconciler_softkms.rows import EXTERNAL, KeyRow, Names
from reconciler_softkms.specs import check_spec, fresh_material
from reconciler_softkms.states import is_gone, require_not_pending, require_switchable
from reconciler_softkms.tags import check_tags

DESCRIPTION_CHARACTERS = 8192
ORIGINS: Final = ("AWS_KMS", EXTERNAL)
_KEYS_A_PAGE: Final = 100


def create_key(door: Door, caller: Caller, request: KeyRequest, token: str | None) -> KeyDescription:
    """See ``KeyProvider.create_key``. Without a token, every call makes a key. UnsupportedOperationException for an
    origin that there is not here."""
    return door.names.describe(made_key(door, caller, request, token))


def made_key(door: Door, caller: Caller, request: KeyRequest, token: str | None) -> KeyRow:
    """As ``create_key``; the key as it is kept."""
    parameters = _parameters(request)
    door.store.seal()
    material = _slow_material(door, caller, request, parameters)
    with door.change(caller, "CreateKey", parameters) as asked:
        _authorize_creation(asked, request)
        made = None if token is None else rows.key_by_token(asked.connection, token)
        if made is None:
            row = new_row(door, request, asked.now)
            policy = accepted_policy(asked, row, request.policy, bypass_lockout_check=request.bypass_lockout_check)
            made = insert(asked, row._replace(policy=policy), token, material)
        arn = door.names.key_arn(made.key_id)
        asked.key_arns.append(arn)
        asked.response = {"keyMetadata": {"arn": arn, "keyId": made.key_id}}
        return made


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
        state=(KeyState.PENDING_IMPORT if request.origin == EXTERNAL else KeyState.ENABLED).value,
        multi_region=int(request.multi_region),
        created_at=now,
        material_id="",
        rotated_at=now,
        rotation_days=None,
        deletion_at=None,
        policy=None,
        tags=json.dumps(dict(request.tags), ensure_ascii=False),
        origin=request.origin,
        primary_region=door.names.region if request.multi_region else None,
    )


def insert(asked: Request, row: KeyRow, token: str | None, material: DataKey | None = None) -> KeyRow:
    """Write a new key and its first material (``material``, else fresh), inside the request's transaction; the row as
    it now stands. One whose material is to be imported has none yet."""
    rows.insert(asked.connection, row, token)
    if row.origin == EXTERNAL:
        return row
    with material or fresh_material(row.key_spec, asked.door.random) as first:
        material_id = asked.door.random.bytes(32).hex()
        asked.door.materials.put(asked.connection, row.key_id, material_id, first, kind=CREATED, now=asked.now)
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
    doors = {key_id: door.siblings.holding(door, key_id) for key_id in key_ids}
    for at in dict.fromkeys([door, *doors.values()]):
        wanted = [key_id for key_id in key_ids if doors[key_id] is at]
        if at is not door or wanted or not key_ids:
            described |= _described_at(at, caller, wanted)
    return {key_id: described[key_id] for key_id in key_ids if key_id in described}


def _described_at(door: Door, caller: Caller, key_ids: Sequence[str]) -> dict[str, KeyDescription]:
    described: dict[str, KeyDescription] = {}
    with door.look(caller, "DescribeKey", {}) as asked:
        for asked_by, row in asked.sweep(key_ids, by_alias=True):
            asked.authorize(row, "kms:DescribeKey")
            described[asked_by] = door.names.describe(row)
    return described


def described_key(door: Door, caller: Caller, key_id: str) -> tuple[KeyRow, Names]:
    """The key of that id, ARN, alias or alias ARN. The alias of a key that a service owns (``alias/aws/redshift``) is
    for whoever the account lets describe keys. NotFoundException."""
    door = door.siblings.holding(door, key_id)
    with door.look(caller, "DescribeKey", {"keyId": key_id}) as asked:
        row = asked.key(key_id, by_alias=True)
        if row.owner is not None and caller.account == door.names.account and not caller.is_service:
            asked.authorize_account("kms:DescribeKey")
        else:
            asked.authorize(row, "kms:DescribeKey")
        return row, door.names


def list_keys(door: Door, caller: Caller) -> list[KeyDescription]:
    """See ``KeyProvider.list_keys``."""
    with door.look(caller, "ListKeys", None) as asked:
        asked.authorize_account("kms:ListKeys")
        if asked.connection_if_any is None:
            return []
        return [door.names.describe(row) for row in rows.customer_keys(asked.connection, asked.now)]


def page_of_keys(door: Door, caller: Caller, which: PageOf) -> Page[KeyRow]:
    """The account's customer-managed keys in the Region, ordered by id."""
    with door.look(caller, "ListKeys", None) as asked:
        asked.authorize_account("kms:ListKeys")

        def of(after: str, count: int) -> list[tuple[str, KeyRow]]:
            if asked.connection_if_any is None:
                return []
            found = rows.customer_keys(asked.connection, asked.now, after=after, limit=count)
            return [(row.key_id, row) for row in found]

        return page(asked, which, _KEYS_A_PAGE, "", of)


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
        require_switchable(row, door.names.key_arn(row.key_id))
        asked.connection.execute("UPDATE keys SET state = ? WHERE key_id = ?", (state.value, row.key_id))


def check_description(description: str) -> None:
    """ValidationException when it is too long."""
    if len(description) > DESCRIPTION_CHARACTERS:
        raise ValidationException(
            f"A description has at most {DESCRIPTION_CHARACTERS} characters; this one has {len(description)}"
        )


def _authorize_creation(asked: Request, request: KeyRequest) -> None:
    attributes = {
        "kms:keyspec": (request.key_spec,),
        "kms:keyusage": (request.key_usage,),
        "kms:keyorigin": (request.origin,),
        "kms:multiregion": (str(request.multi_region).lower(),),
        "kms:bypasspolicylockoutsafetycheck": (str(request.bypass_lockout_check).lower(),),
    }
    asked.authorize_account("kms:CreateKey", attributes=attributes, request_tags=request.tags)
    if request.tags:
        asked.authorize_account("kms:TagResource", request_tags=request.tags)
    if request.origin not in ORIGINS:
        raise UnsupportedOperationException(
            f"There are no custom key stores here; a key's origin is {' or '.join(ORIGINS)}, not {request.origin}"
        )
    check_spec(request.key_spec, request.key_usage)
    check_description(request.description)
    check_tags(request.tags)


def _slow_material(door: Door, caller: Caller, request: KeyRequest, parameters: Mapping[str, Any]) -> DataKey | None:
    """RSA keys take their time to be found: no transaction waits for it, and nobody who may not make keys has it."""
    if not request.key_spec.startswith("RSA_") or request.origin == EXTERNAL:
        return None
    with door.use(caller, "CreateKey", parameters, is_first_half=True) as asked:
        _authorize_creation(asked, request)
    return fresh_material(request.key_spec, door.random)


def _parameters(request: KeyRequest) -> dict[str, Any]:
    return {
        "keySpec": request.key_spec,
        "keyUsage": request.key_usage,
        "description": request.description,
        "multiRegion": request.multi_region,
        "origin": request.origin,
        "bypassPolicyLockoutSafetyCheck": request.bypass_lockout_check,
        "tags": [{"tagKey": key, "tagValue": value} for key, value in request.tags.items()],
    }
