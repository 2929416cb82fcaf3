"""The software KMS does what every key service must do."""

from __future__ import annotations

import pytest

from reconciler.providers import audit, identities, key_material, keys
from reconciler.testing.audit_contract import KeepsAuditLogContract
from reconciler.testing.identities_contract import HoldsIdentityPoliciesContract
from reconciler.testing.key_capabilities_contract import (
    HoldsPoliciesContract,
    IssuesGrantsContract,
    NamesKeysContract,
    OwnsKeysContract,
    RotatesKeysContract,
)
from reconciler.testing.key_contract import KeyProviderContract
from reconciler.testing.key_material_contract import ImportsKeyMaterialContract, ReplicatesKeysContract
from reconciler_softkms import SoftKms
from reconciler_softkms.tests.conftest import Opened


class TestSoftKms(
    KeyProviderContract,
    RotatesKeysContract,
    NamesKeysContract,
    HoldsPoliciesContract,
    HoldsIdentityPoliciesContract,
    IssuesGrantsContract,
    OwnsKeysContract,
    ImportsKeyMaterialContract,
    ReplicatesKeysContract,
    KeepsAuditLogContract,
):
    @pytest.fixture
    def reopened(self, opened: Opened) -> Opened:
        return opened

    @pytest.fixture
    def elsewhere(self, opened: Opened) -> SoftKms:
        return opened(region="us-east-1")

    def test_it_has_every_capability(self, provider: SoftKms) -> None:
        serves: keys.KeyProvider = provider
        assert serves.account == "111122223333"
        for capability in (
            keys.RotatesKeys,
            keys.NamesKeys,
            keys.HoldsPolicies,
            keys.IssuesGrants,
            keys.OwnsKeys,
            keys.KnowsIdentities,
            identities.HoldsIdentityPolicies,
            key_material.ImportsKeyMaterial,
            key_material.ReplicatesKeys,
            audit.KeepsAuditLog,
        ):
            assert isinstance(provider, capability)
