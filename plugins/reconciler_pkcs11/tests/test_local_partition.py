"""A worker's partition does what every partition must, on tokens of two makers and behind a shim (PKCS11.md 7)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from reconciler.errors import HsmError, HsmFault
from reconciler.providers.hsm import Suite
from reconciler_pkcs11.partition import Leak, Partition
from reconciler_pkcs11.tests.opening import open_local
from reconciler_pkcs11.tests.partition_contract import PartitionContract, PartitionFixtures, generated
from reconciler_pkcs11.tests.tokens import Tokens


class LocalFixtures(PartitionFixtures):
    @pytest.fixture
    def opens(self, tokens: Tokens) -> Callable[[], Partition]:
        return lambda: open_local(tokens, self.target)


class LocalContract(LocalFixtures, PartitionContract):
    pass


class TestSoftHsm(LocalContract):
    def test_every_suite_passes_and_nothing_leaks(self, partition: Partition) -> None:
        found = partition.examine()

        assert found.suites == (Suite.GCM, Suite.KWP, Suite.CBC_HMAC)
        assert found.leaks == ()
        assert (found.label, found.model) == ("partition-a", "SoftHSM v2")

    def test_a_key_that_may_not_be_relabelled_is_not(self, partition: Partition) -> None:
        key_id = generated(partition, Suite.GCM)

        with pytest.raises(HsmError) as refused:
            partition.relabel(key_id, "reconciler/other")

        assert refused.value.fault is HsmFault.REFUSED
        assert "C_SetAttributeValue" in (refused.value.detail or "")


class TestNss(LocalContract):
    """A token that wraps keys that it was told to keep."""

    target = "nss"
    leaks = True

    def test_how_it_leaks_is_found(self, partition: Partition) -> None:
        assert partition.examine().leaks == (Leak.WRAPPED, Leak.COPIED)


class TestBehindTheShim(LocalFixtures):
    """The shim without a fault changes nothing, so what it makes happen is its faults' doing."""

    target = "faulty"

    test_an_examination = PartitionContract.test_an_examination_names_the_suites_best_first_and_whether_keys_stay_in
    test_what_was_wrapped_opens = PartitionContract.test_what_was_wrapped_opens_in_its_context
    test_keys_are_listed = PartitionContract.test_keys_are_listed_as_they_were_made
    test_keys_outlive = PartitionContract.test_keys_outlive_the_connection
