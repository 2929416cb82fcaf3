"""Keys in a partition do what every key service's must do, as far as an HSM has it: no policies, grants or aliases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reconciler.access.caller import Caller
from reconciler.providers import hsm, keys
from reconciler.providers.audit import KeepsAuditLog
from reconciler.providers.data import Expires
from reconciler.providers.fenced import Fenced
from reconciler.providers.hsm_agent import ServesPartitions
from reconciler.providers.key_wrapping import WrapsKeys
from reconciler.providers.keys import KeyRequest
from reconciler.testing.audit_contract import KeepsAuditLogContract
from reconciler.testing.key_capabilities_contract import RotatesKeysContract
from reconciler.testing.key_contract import KeyProviderContract
from reconciler.testing.key_wrapping_contract import KeyWrappingContract, Wrapping
from reconciler_pkcs11 import Pkcs11
from reconciler_pkcs11.tests.tokens import Tokens
from reconciler_pkcs11.tests.worlds import CALLER, World, in_memory, on_tokens


class OfAKeyService:
    """What every suite here is given."""

    @pytest.fixture
    def caller(self) -> Caller:
        return CALLER

    @pytest.fixture
    def reopened(self, world: World) -> Callable[[], Pkcs11]:
        return world.open

    @pytest.fixture
    def wrapping(self, provider: Pkcs11) -> Wrapping:
        named = provider.create_key(CALLER, KeyRequest(tags={"Name": "seal"}), token="one")
        other = provider.create_key(CALLER, KeyRequest(), token="two")
        assert named.key_id != other.key_id
        return Wrapping(provider, "seal", other.arn, CALLER)


class InMemory(OfAKeyService):
    @pytest.fixture
    def world(self, tmp_path: Path) -> Iterator[World]:
        made = in_memory(tmp_path)
        yield made
        made.close()

    @pytest.fixture
    def provider(self, world: World) -> Pkcs11:
        return world.adopted()


class OnSoftHsm(OfAKeyService):
    @pytest.fixture
    def world(self, tmp_path: Path, tokens: Tokens) -> Iterator[World]:
        made = on_tokens(tmp_path, tokens)
        yield made
        made.close()

    @pytest.fixture
    def provider(self, world: World, tokens: Tokens) -> Pkcs11:
        made = world.open()
        made.create_partition(CALLER, world.request("first", tokens["a"].label, tokens["a"].pin), token="adopt")
        return made


class TestInMemory(InMemory, KeyProviderContract, RotatesKeysContract, KeepsAuditLogContract):
    def test_it_has_these_capabilities_and_no_others(self, provider: Pkcs11) -> None:
        serves: keys.KeyProvider = provider
        assert serves.account == "111122223333"
        wanted = (hsm.HsmProvider, hsm.KeepsClusterKeys, keys.RotatesKeys, WrapsKeys, KeepsAuditLog, Fenced, Expires)
        assert all(isinstance(provider, each) for each in wanted)
        assert isinstance(Pkcs11, ServesPartitions)
        without = (keys.NamesKeys, keys.HoldsPolicies, keys.IssuesGrants, keys.OwnsKeys, keys.KnowsIdentities)
        assert not any(isinstance(provider, each) for each in without)


class TestWrappingInMemory(InMemory, KeyWrappingContract):
    pass


class TestOnSoftHsm(OnSoftHsm):
    """What the token itself does for a key; all else is the same as in memory."""

    test_the_same_token_makes_one_key = KeyProviderContract.test_the_same_token_makes_one_key_and_finds_it
    test_another_key_is_incorrect = KeyProviderContract.test_another_key_than_the_named_one_is_incorrect
    test_re_encrypt = KeyProviderContract.test_re_encrypt_changes_key_and_context_and_not_the_text
    test_a_payload_of_any_size = KeyProviderContract.test_what_was_encrypted_is_decrypted
    test_disabled = KeyProviderContract.test_a_disabled_key_has_no_use_until_it_is_enabled
    test_pending_deletion = KeyProviderContract.test_a_key_pending_deletion_has_no_use
    _key_with_ciphertext = KeyProviderContract._key_with_ciphertext
    test_rotation = RotatesKeysContract.test_rotation_keeps_what_was_sealed_before
    test_wrapping = KeyWrappingContract.test_what_was_wrapped_is_unwrapped
    test_no_other_byte = KeyWrappingContract.test_no_other_byte_opens
