"""Keys as manifests declare them and as a key service describes them, for tests of what differs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from reconciler.model.address import Address
from reconciler.resources.key.observe import KeyObservation
from reconciler.resources.key.spec import KeySpec

NOW = datetime(2026, 6, 1, tzinfo=UTC)
KEY = Address("Key/k")


def spec(**fields: Any) -> KeySpec:
    return KeySpec.model_validate({"provider": "kms", **fields})


def seen(arn: str, **fields: Any) -> KeyObservation:
    """An enabled symmetric key of that ARN, ten days old, but for ``fields``."""
    return KeyObservation(
        **{
            "arn": arn,
            "description": "",
            "key_spec": "SYMMETRIC_DEFAULT",
            "key_usage": "ENCRYPT_DECRYPT",
            "state": "Enabled",
            "multi_region": False,
            "material_id": "m",
            "rotated_at": NOW - timedelta(days=10),
            "rotation_period_days": None,
            "deletion_date": None,
            "tags": {},
            **fields,
        }
    )
