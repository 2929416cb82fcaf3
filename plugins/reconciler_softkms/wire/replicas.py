"""ReplicateKey, UpdatePrimaryRegion."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import StringConstraints

from reconciler.access.caller import Caller
from reconciler.providers.key_material import ReplicaRequest
from reconciler_softkms.door import Door
from reconciler_softkms.operations import replicas
from reconciler_softkms.operations.policies import read_document
from reconciler_softkms.wire.keys import Description
from reconciler_softkms.wire.metadata import metadata
from reconciler_softkms.wire.operation import Operation
from reconciler_softkms.wire.policies import PolicyText
from reconciler_softkms.wire.request import Asked, KeyName
from reconciler_softkms.wire.tags import Tags, as_pairs, entry

Region = Annotated[str, StringConstraints(min_length=1, max_length=32, pattern=r"^([a-z]+-){2,3}[0-9]+$")]


class ReplicateKey(Asked):
    """Its form."""

    key_id: KeyName
    replica_region: Region
    policy: PolicyText | None = None
    bypass_policy_lockout_safety_check: bool = False
    description: Description = ""
    tags: Tags = ()


class UpdatePrimaryRegion(Asked):
    """Its form."""

    key_id: KeyName
    primary_region: Region


def replicate_key(door: Door, caller: Caller, asked: ReplicateKey) -> Mapping[str, Any]:
    """The replica as its Region describes it, its policy and tags."""
    request = ReplicaRequest(
        region=asked.replica_region,
        description=asked.description,
        policy=None if asked.policy is None else read_document(asked.policy),
        tags=as_pairs(asked.tags),
    )
    made = replicas.replicate_key(
        door, caller, asked.key_id, request, bypass_lockout_check=asked.bypass_policy_lockout_safety_check
    )
    return {
        "ReplicaKeyMetadata": metadata(made.row, made.names),
        "ReplicaPolicy": made.row.policy,
        "ReplicaTags": [entry(pair) for pair in json.loads(made.row.tags).items()],
    }


def update_primary_region(door: Door, caller: Caller, asked: UpdatePrimaryRegion) -> Mapping[str, Any]:
    """Nothing."""
    replicas.update_primary_region(door, caller, asked.key_id, asked.primary_region)
    return {}


OPERATIONS = {
    "ReplicateKey": Operation(ReplicateKey, replicate_key),
    "UpdatePrimaryRegion": Operation(UpdatePrimaryRegion, update_primary_region),
}
