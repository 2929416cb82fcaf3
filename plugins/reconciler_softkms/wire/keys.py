"""DescribeKey."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.access.caller import Caller
from reconciler.errors import NotFoundException
from reconciler.providers.keys import KeyDescription, KeyState
from reconciler_softkms.door import Door
from reconciler_softkms.operations import keys
from reconciler_softkms.wire.operation import Operation
from reconciler_softkms.wire.request import KeyName, Used


class DescribeKey(Used):
    """Its form."""

    key_id: KeyName


def describe_key(door: Door, caller: Caller, asked: DescribeKey) -> Mapping[str, Any]:
    """KeyMetadata."""
    found = keys.describe_keys(door, caller, [asked.key_id]).get(asked.key_id)
    if found is None:
        raise NotFoundException(f"Key '{asked.key_id}' does not exist")
    return {"KeyMetadata": metadata(found)}


def metadata(key: KeyDescription) -> dict[str, Any]:
    """``KeyMetadata`` of the public API."""
    return {
        "AWSAccountId": key.account,
        "KeyId": key.key_id,
        "Arn": key.arn,
        "CreationDate": key.created_at,
        "Enabled": key.state is KeyState.ENABLED,
        "Description": key.description,
        "KeyUsage": key.key_usage,
        "KeyState": key.state.value,
        "DeletionDate": key.deletion_date,
        "Origin": "AWS_KMS",
        "KeyManager": "CUSTOMER",
        "KeySpec": key.key_spec,
        "CustomerMasterKeySpec": key.key_spec,
        "MultiRegion": key.multi_region,
        "CurrentKeyMaterialId": key.material_id,
    }


OPERATIONS = {"DescribeKey": Operation(DescribeKey, describe_key)}
