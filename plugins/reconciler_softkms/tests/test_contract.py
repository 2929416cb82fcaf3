"""The software KMS does what every key service must do."""

from __future__ import annotations

from reconciler.providers import keys
from reconciler.testing.key_capabilities_contract import (
    HoldsPoliciesContract,
    IssuesGrantsContract,
    NamesKeysContract,
    OwnsKeysContract,
    RotatesKeysContract,
)
from reconciler.testing.key_contract import KeyProviderContract
from reconciler_softkms import SoftKms


class TestSoftKms(
    KeyProviderContract,
    RotatesKeysContract,
    NamesKeysContract,
    HoldsPoliciesContract,
    IssuesGrantsContract,
    OwnsKeysContract,
):
    def test_it_has_every_capability(self, provider: SoftKms) -> None:
        serves: keys.KeyProvider = provider
        assert serves.account == "111122223333"
        for capability in (
            keys.RotatesKeys,
            keys.NamesKeys,
            keys.HoldsPolicies,
            keys.IssuesGrants,
            keys.OwnsKeys,
        ):
            assert isinstance(provider, capability)
