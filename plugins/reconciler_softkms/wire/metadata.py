"""``KeyMetadata`` of the public API."""

from __future__ import annotations

from typing import Any

from reconciler.providers.keys import KeyState
from reconciler_softkms.operations.importing import DOES_NOT_EXPIRE, EXPIRES
from reconciler_softkms.rows import EXTERNAL, KeyRow, Names, moment, replica_regions
from reconciler_softkms.specs import SYMMETRIC, algorithms


def metadata(row: KeyRow, names: Names) -> dict[str, Any]:
    """Every member that the public service answers for such a key."""
    lists = algorithms(row.key_spec, row.key_usage)
    return {
        "AWSAccountId": names.account,
        "KeyId": row.key_id,
        "Arn": names.key_arn(row.key_id),
        "CreationDate": moment(row.created_at),
        "Enabled": row.state == KeyState.ENABLED,
        "Description": row.description,
        "KeyUsage": row.key_usage,
        "KeyState": row.state,
        "DeletionDate": None if row.deletion_at is None else moment(row.deletion_at),
        "Origin": row.origin,
        "KeyManager": "CUSTOMER" if row.owner is None else "AWS",
        "CustomerMasterKeySpec": row.key_spec,
        "KeySpec": row.key_spec,
        "EncryptionAlgorithms": lists.encryption or None,
        "SigningAlgorithms": lists.signing or None,
        "MacAlgorithms": lists.mac or None,
        "KeyAgreementAlgorithms": lists.agreement or None,
        "MultiRegion": bool(row.multi_region),
        "MultiRegionConfiguration": _regions(row, names),
        "PendingDeletionWindowInDays": row.waiting_days if row.state == KeyState.PENDING_REPLICA_DELETION else None,
        "CurrentKeyMaterialId": row.material_id if row.key_spec == SYMMETRIC and row.material_id else None,
        **_expiry(row),
    }


def _regions(row: KeyRow, names: Names) -> dict[str, Any] | None:
    if row.primary_region is None:
        return None

    def place(region: str) -> dict[str, str]:
        return {"Arn": names.arn_in(region, row.key_id), "Region": region}

    return {
        "MultiRegionKeyType": "PRIMARY" if row.primary_region == names.region else "REPLICA",
        "PrimaryKey": place(row.primary_region),
        "ReplicaKeys": [place(region) for region in replica_regions(row)],
    }


def _expiry(row: KeyRow) -> dict[str, Any]:
    if row.origin != EXTERNAL or row.state == KeyState.PENDING_IMPORT or not row.material_id:
        return {}
    if row.expires_at is None:
        return {"ExpirationModel": DOES_NOT_EXPIRE}
    return {"ExpirationModel": EXPIRES, "ValidTo": moment(row.expires_at)}
