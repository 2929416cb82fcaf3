"""The software KMS as the service whose key seals another's store."""

from __future__ import annotations

import pytest

from reconciler.access.caller import Caller
from reconciler.providers.keys import KeyRequest
from reconciler.testing.key_wrapping_contract import KeyWrappingContract, Wrapping
from reconciler_softkms import SoftKms


class TestSoftKms(KeyWrappingContract):
    @pytest.fixture
    def wrapping(self, provider: SoftKms, caller: Caller) -> Wrapping:
        keys = [provider.create_key(caller, KeyRequest(), token=f"{n}").arn for n in range(2)]
        provider.create_alias(caller, "alias/sealing", keys[0])
        return Wrapping(provider, "alias/sealing", keys[1], caller)
