"""ReplicateKey, UpdatePrimaryRegion: one key in several Regions of the account (KM1). ``siblings`` has the how."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from reconciler.access.caller import Caller
from reconciler.access.request import Values
from reconciler.errors import (
    AlreadyExistsException,
    NotFoundException,
    UnsupportedOperationException,
    ValidationException,
)
from reconciler.providers.key_material import ReplicaRequest
from reconciler.providers.keys import KeyState
from reconciler_softkms import rows
from reconciler_softkms.door import Door
from reconciler_softkms.operations.keys import check_description
from reconciler_softkms.operations.policies import accepted_policy
from reconciler_softkms.request import Request
from reconciler_softkms.rows import KeyRow, Names
from reconciler_softkms.states import require_replicable, require_usable
from reconciler_softkms.tags import check_tags


@dataclass(frozen=True, slots=True)
class Replica:
    """A replica as its own Region keeps it."""

    row: KeyRow
    names: Names


def replicate_key(
    door: Door, caller: Caller, key_id: str, request: ReplicaRequest, *, bypass_lockout_check: bool = False
) -> Replica:
    """See ``ReplicatesKeys.replicate_key``. A replica that somebody began to make and did not finish is finished."""
    parameters = _parameters(key_id, request, bypass_lockout_check=bypass_lockout_check)
    door.store.seal()
    with door.change(caller, "ReplicateKey", parameters) as asked:
        row = asked.key(key_id, as_is=True)
        _authorize(asked, row, request)
        _require_primary(row, door)
        require_replicable(row, door.names.key_arn(row.key_id))
        _check_region(asked, row, request.region)
        check_description(request.description)
        check_tags(request.tags)
        policy = accepted_policy(asked, row, request.policy, bypass_lockout_check=bypass_lockout_check)
        own = {
            "description": request.description,
            "policy": policy,
            "tags": json.dumps(dict(request.tags), ensure_ascii=False),
        }
        asked.connection.execute(
            "INSERT OR REPLACE INTO replicating VALUES (?, ?, ?)", (row.key_id, request.region, json.dumps(own))
        )
        regions = json.dumps(sorted({*rows.replica_regions(row), request.region}))
        asked.connection.execute("UPDATE keys SET replicas = ? WHERE key_id = ?", (regions, row.key_id))
        asked.share(row._replace(replicas=regions))
        names = Names(door.names.account, request.region)
        asked.response = {"replicaKeyMetadata": {"arn": names.key_arn(row.key_id), "keyId": row.key_id}}
    made = door.siblings.row(door, request.region, row.key_id)
    if made is None:
        raise NotFoundException(f"The replica {names.key_arn(row.key_id)} was deleted again")
    return Replica(made, names)


def update_primary_region(door: Door, caller: Caller, key_id: str, region: str, *, repeatable: bool = False) -> None:
    """See ``ReplicatesKeys.update_primary_region``. ``repeatable``: no error when it is the primary's already."""
    parameters = {"keyId": key_id, "primaryRegion": region}
    door.store.seal()
    with door.change(caller, "UpdatePrimaryRegion", parameters) as asked:
        row = asked.key(key_id, as_is=True)
        asked.authorize(row, "kms:UpdatePrimaryRegion", attributes={"kms:primaryregion": (region,)})
        if row.primary_region == region and (repeatable or row.state == KeyState.UPDATING):
            asked.unsettled.append(row.key_id)
            asked.shares = True
            return
        _require_primary(row, door)
        require_usable(row, door.names.key_arn(row.key_id))
        regions = rows.replica_regions(row)
        if region not in regions or not door.siblings.has_replica(door, region, row.key_id):
            raise NotFoundException(f"{door.names.key_arn(row.key_id)} has no replica in {region}")
        left = json.dumps(sorted({*regions, door.names.region} - {region}))
        asked.connection.execute(
            "UPDATE keys SET primary_region = ?, replicas = ?, state = ? WHERE key_id = ?",
            (region, left, KeyState.UPDATING.value, row.key_id),
        )
        asked.share(row._replace(replicas=left))


def _authorize(asked: Request, row: KeyRow, request: ReplicaRequest) -> None:
    asked.authorize(
        row,
        "kms:ReplicateKey",
        attributes={"kms:replicaregion": (request.region,)},
        request_tags=request.tags,
    )
    facts: dict[str, Values] = {
        "kms:keyspec": (row.key_spec,),
        "kms:keyusage": (row.key_usage,),
        "kms:keyorigin": (row.origin,),
        "kms:multiregion": ("true",),
        "kms:multiregionkeytype": ("REPLICA",),
        "aws:requestedregion": (request.region,),
    }
    asked.authorize_account("kms:CreateKey", attributes=facts, request_tags=request.tags)
    if request.tags:
        asked.authorize_account("kms:TagResource", request_tags=request.tags)


def _require_primary(row: KeyRow, door: Door) -> None:
    arn = door.names.key_arn(row.key_id)
    if not row.multi_region:
        raise UnsupportedOperationException(f"{arn} is not a multi-Region key")
    if row.primary_region != door.names.region:
        raise UnsupportedOperationException(
            f"{arn} is not a multi-region primary key.",
            suggestion=f"Its primary is {door.names.arn_in(row.primary_region or '', row.key_id)}.",
        )


def _check_region(asked: Request, row: KeyRow, region: str) -> None:
    here, siblings = asked.names.region, asked.door.siblings
    if region == here:
        raise ValidationException(f"{asked.names.key_arn(row.key_id)} is in {here} already; name another Region")
    if region not in rows.replica_regions(row):
        return
    making = asked.connection.execute(
        "SELECT 1 FROM replicating WHERE key_id = ? AND region = ?", (row.key_id, region)
    ).fetchone()
    if making is None and siblings.has_replica(asked.door, region, row.key_id):
        raise AlreadyExistsException(f"{asked.names.arn_in(region, row.key_id)} already exists")


def _parameters(key_id: str, request: ReplicaRequest, *, bypass_lockout_check: bool) -> dict[str, Any]:
    return {
        "keyId": key_id,
        "replicaRegion": request.region,
        "description": request.description,
        "bypassPolicyLockoutSafetyCheck": bypass_lockout_check,
        "tags": [{"tagKey": key, "tagValue": value} for key, value in request.tags.items()],
    }
