"""A grant is planned only of what its key can do (KM3)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from reconciler.model.address import Address
from reconciler.resources.grant.diff import diff
from reconciler.resources.grant.spec import GrantSpec, impossible
from reconciler.resources.key.spec import USAGES, KeySpec
from reconciler.resources.kind import DiffInput
from reconciler.resources.reference import Reference
from reconciler.resources.spec import Spec
from reconciler_softkms.specs import GRANT_OPERATIONS, grantable

RSA = {"keySpec": "RSA_2048", "keyUsage": "SIGN_VERIFY"}
CONTEXT = {"constraints": {"encryptionContextEquals": {"a": "1"}}}


@pytest.mark.parametrize(("key_spec", "usage"), [(one, usage) for one, usages in USAGES.items() for usage in usages])
def test_what_a_plan_lets_through_is_what_the_key_service_takes(key_spec: str, usage: str) -> None:
    assert GRANT_OPERATIONS - set(impossible(GRANT_OPERATIONS, key_spec, usage)) == grantable(key_spec, usage)


CASES: dict[str, tuple[dict[str, Any], dict[str, Any], str | None]] = {
    "Sign with a key that signs": ({"operations": ["Sign", "GetPublicKey"]}, RSA, None),
    "Sign with a symmetric key": ({"operations": ["Sign"]}, {}, "grants Sign, and Key/k is SYMMETRIC_DEFAULT"),
    "Decrypt with a key that signs": ({"operations": ["Decrypt"]}, RSA, "grants Decrypt, and Key/k is RSA_2048"),
    "a context of a symmetric key": ({"operations": ["Decrypt"], **CONTEXT}, {}, None),
    "a context of a key that signs": ({"operations": ["Sign"], **CONTEXT}, RSA, "is limited to an encryption context"),
    "a replica is what its primary is": ({"operations": ["Decrypt"]}, {"replicaOf": "p"}, "grants Decrypt"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_grant_fits_its_key(case: str) -> None:
    fields, key, why = CASES[case]
    keys: dict[Reference, Spec] = {
        Reference("Key", "k"): KeySpec.model_validate({"provider": "kms", **key}),
        Reference("Key", "p"): KeySpec.model_validate({"provider": "far", "multiRegion": True, **RSA}),
    }
    role = "arn:aws:iam::111122223333:role/r"
    spec = GrantSpec.model_validate({"provider": "kms", "key": "k", "granteePrincipal": role, **fields})
    found = diff(
        DiffInput(
            address=Address("Grant/g"),
            name="g",
            provider="kms",
            desired=spec,
            recorded=None,
            observed=None,
            now=datetime(2026, 6, 1, tzinfo=UTC),
            resolve=lambda reference: None,
            declared=keys.get,
        )
    )
    if why is None:
        assert [step.id for operation in found.operations for step in operation.steps] == ["create-grant"]
    else:
        (block,) = found.blocked
        assert (block.guard, why in block.reason, found.operations) == ("grant-operations", True, ())
