"""What every key service must do, as test classes that a plugin's tests inherit (STYLE habit 13).

Give two fixtures: ``provider``, an empty key service, and ``caller``, a principal that may do everything there. The
capabilities have a class each in ``key_capabilities_contract``: inherit those that the provider has.

    class TestMine(KeyProviderContract, RotatesKeysContract):
        @pytest.fixture
        def provider(self, tmp_path): ...
        @pytest.fixture
        def caller(self): ...
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from reconciler.access.caller import Caller
from reconciler.errors import (
    DisabledException,
    IncorrectKeyException,
    InvalidArnException,
    InvalidCiphertextException,
    KMSInvalidStateException,
    MalformedPolicyDocumentException,
    NotFoundException,
    ServiceError,
    TagException,
    ValidationException,
)
from reconciler.providers.keys import KeyDescription, KeyProvider, KeyRequest, KeyState

CONTEXT = {"aws:cassandra:keyspaceName": "shop", "aws:cassandra:tableName": "orders"}
OTHER_CONTEXTS = {
    "an empty context": {},
    "a pair less": {"aws:cassandra:keyspaceName": "shop"},
    "a pair more": {**CONTEXT, "more": "1"},
    "another value": {**CONTEXT, "aws:cassandra:tableName": "Orders"},
    "name and value exchanged": {"shop": "aws:cassandra:keyspaceName", "orders": "aws:cassandra:tableName"},
    "the same text cut elsewhere": {"aws:cassandra:keyspaceName": "shop", "aws:cassandra:tableNam": "eorders"},
}
ABSENT = "00000000-0000-4000-8000-000000000000"
tokens = (f"contract-{number}" for number in itertools.count())

Call = Callable[[Any, Caller, KeyDescription], object]

# Every use of a key, for the states in which there must be none.
USES: dict[str, Call] = {
    "GenerateDataKey": lambda kms, who, key: kms.generate_data_key(who, key.key_id, CONTEXT),
    "Encrypt": lambda kms, who, key: kms.encrypt(who, key.key_id, b"text", CONTEXT),
    "Decrypt": lambda kms, who, key: kms.decrypt(who, _ciphertexts[key.key_id], CONTEXT),
    "ReEncrypt from it": lambda kms, who, key: kms.re_encrypt(who, _ciphertexts[key.key_id], CONTEXT, key.key_id, {}),
}
_ciphertexts: dict[str, bytes] = {}

CREATE_REFUSALS: dict[str, tuple[KeyRequest, type[ServiceError]]] = {
    "a spec that there is not": (KeyRequest(key_spec="AES_1"), ValidationException),
    "a usage that the spec does not admit": (KeyRequest(key_usage="SIGN_VERIFY"), ValidationException),
    "a description past 8192 characters": (KeyRequest(description="x" * 8193), ValidationException),
    "fifty-one tags": (KeyRequest(tags={f"t{n}": "" for n in range(51)}), TagException),
    "a tag of the reserved kind": (KeyRequest(tags={"aws:x": "1"}), TagException),
    "a tag key past 128 characters": (KeyRequest(tags={"k" * 129: "1"}), ValidationException),
    "a tag value past 256 characters": (KeyRequest(tags={"k": "1" * 257}), ValidationException),
    "a policy that is none": (KeyRequest(policy={"Statement": "x"}), MalformedPolicyDocumentException),
    "a policy that locks its author out": (
        KeyRequest(
            policy={
                "Version": "2012-10-17",
                "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*"}],
            }
        ),
        MalformedPolicyDocumentException,
    ),
}

USE_REFUSALS: dict[str, tuple[Call, type[ServiceError]]] = {
    "a data key of no bytes": (
        lambda kms, who, key: kms.generate_data_key(who, key.key_id, {}, number_of_bytes=0),
        ValidationException,
    ),
    "a data key past 1024 bytes": (
        lambda kms, who, key: kms.generate_data_key(who, key.key_id, {}, number_of_bytes=1025),
        ValidationException,
    ),
    "an empty plaintext": (lambda kms, who, key: kms.encrypt(who, key.key_id, b"", {}), ValidationException),
    "a plaintext past 4096 bytes": (
        lambda kms, who, key: kms.encrypt(who, key.key_id, bytes(4097), {}),
        ValidationException,
    ),
    "bytes that are no ciphertext": (
        lambda kms, who, key: kms.decrypt(who, b"nonsense", {}),
        InvalidCiphertextException,
    ),
    "a key that is not there": (lambda kms, who, key: kms.encrypt(who, ABSENT, b"x", {}), NotFoundException),
    "an alias that is not there": (lambda kms, who, key: kms.encrypt(who, "alias/none", b"x", {}), NotFoundException),
    "an ARN of another service": (
        lambda kms, who, key: kms.encrypt(who, "arn:aws:s3:::bucket", b"x", {}),
        InvalidArnException,
    ),
    "the key's ARN in another Region": (
        lambda kms, who, key: kms.encrypt(who, key.arn.replace(key.region, "xx-north-9"), b"x", {}),
        NotFoundException,
    ),
    "a waiting time of 6 days": (
        lambda kms, who, key: kms.schedule_key_deletion(who, key.key_id, waiting_days=6),
        ValidationException,
    ),
    "a waiting time of 31 days": (
        lambda kms, who, key: kms.schedule_key_deletion(who, key.key_id, waiting_days=31),
        ValidationException,
    ),
}


def new_key(provider: KeyProvider, caller: Caller, **request: Any) -> KeyDescription:
    """A key of its own for a test."""
    return provider.create_key(caller, KeyRequest(**request), token=next(tokens))


def described(provider: KeyProvider, caller: Caller, key_id: str) -> KeyDescription:
    """The key as it is now."""
    return provider.describe_keys(caller, [key_id])[key_id]


class KeyProviderContract:
    """``KeyProvider``: KM1, KM4, KM5, I11."""

    def test_a_new_key_is_described_as_it_was_asked_for(self, provider: KeyProvider, caller: Caller) -> None:
        made = new_key(provider, caller, description="orders", tags={"team": "shop"})
        assert (made.description, made.tags, made.state) == ("orders", {"team": "shop"}, KeyState.ENABLED)
        assert made.arn == f"arn:aws:kms:{provider.region}:{provider.account}:key/{made.key_id}"
        assert made.created_at.tzinfo is not None
        assert provider.describe_keys(caller, [made.key_id, made.arn]) == {made.key_id: made, made.arn: made}
        assert provider.list_keys(caller) == [made]

    def test_the_same_token_makes_one_key_and_finds_it(self, provider: KeyProvider, caller: Caller) -> None:
        token = next(tokens)
        assert provider.find_key(caller, token=token) is None
        made = provider.create_key(caller, KeyRequest(), token=token)
        assert provider.create_key(caller, KeyRequest(), token=token) == made
        assert provider.find_key(caller, token=token) == made
        assert provider.create_key(caller, KeyRequest(), token=next(tokens)) != made
        assert len(provider.list_keys(caller)) == 2

    def test_nothing_there_is_nothing_described(self, provider: KeyProvider, caller: Caller) -> None:
        assert provider.list_keys(caller) == []
        assert provider.describe_keys(caller, [ABSENT, "alias/none"]) == {}

    @pytest.mark.parametrize("why", CREATE_REFUSALS)
    def test_creation_is_refused_and_leaves_nothing(self, provider: KeyProvider, caller: Caller, why: str) -> None:
        request, error = CREATE_REFUSALS[why]
        with pytest.raises(error):
            provider.create_key(caller, request, token=next(tokens))
        assert provider.list_keys(caller) == []

    @pytest.mark.parametrize("why", USE_REFUSALS)
    def test_use_is_refused(self, provider: KeyProvider, caller: Caller, why: str) -> None:
        call, error = USE_REFUSALS[why]
        with pytest.raises(error):
            call(provider, caller, new_key(provider, caller))

    @pytest.mark.parametrize("count", [1, 16, 32, 1024])
    def test_a_data_key_opens_again_from_its_wrapped_form(
        self, provider: KeyProvider, caller: Caller, count: int
    ) -> None:
        key = new_key(provider, caller)
        made = provider.generate_data_key(caller, key.arn, CONTEXT, number_of_bytes=count)
        assert len(made.plaintext) == count
        assert bytes(made.plaintext.expose_key_bytes()) not in made.wrapped or count == 1
        opened = provider.decrypt(caller, made.wrapped, dict(reversed(CONTEXT.items())))
        assert opened.plaintext == made.plaintext
        assert (opened.key_arn, opened.material_id) == (key.arn, made.material_id) == (made.key_arn, key.material_id)

    @pytest.mark.parametrize("size", [1, 4096])
    def test_what_was_encrypted_is_decrypted(self, provider: KeyProvider, caller: Caller, size: int) -> None:
        key = new_key(provider, caller)
        text = bytes(range(256)) * 16
        sealed = provider.encrypt(caller, key.key_id, text[:size], CONTEXT)
        assert len(sealed) <= 6144
        assert bytes(provider.decrypt(caller, sealed, CONTEXT).plaintext.expose_key_bytes()) == text[:size]
        assert provider.encrypt(caller, key.key_id, text[:size], CONTEXT) != sealed, "each ciphertext is another"

    @pytest.mark.parametrize("other", OTHER_CONTEXTS)
    def test_another_context_opens_nothing(self, provider: KeyProvider, caller: Caller, other: str) -> None:
        key = new_key(provider, caller)
        sealed = provider.encrypt(caller, key.key_id, b"text", CONTEXT)
        with pytest.raises(InvalidCiphertextException):
            provider.decrypt(caller, sealed, OTHER_CONTEXTS[other])

    def test_another_key_than_the_named_one_is_incorrect(self, provider: KeyProvider, caller: Caller) -> None:
        first, second = new_key(provider, caller), new_key(provider, caller)
        sealed = provider.encrypt(caller, first.key_id, b"text", {})
        with pytest.raises(IncorrectKeyException):
            provider.decrypt(caller, sealed, {}, key_id=second.arn)
        assert provider.decrypt(caller, sealed, {}, key_id=first.arn).key_arn == first.arn

    def test_re_encrypt_changes_key_and_context_and_not_the_text(self, provider: KeyProvider, caller: Caller) -> None:
        first, second = new_key(provider, caller), new_key(provider, caller)
        sealed = provider.encrypt(caller, first.key_id, b"text", CONTEXT)
        moved = provider.re_encrypt(caller, sealed, CONTEXT, second.arn, {"new": "context"})
        opened = provider.decrypt(caller, moved, {"new": "context"})
        assert (bytes(opened.plaintext.expose_key_bytes()), opened.key_arn) == (b"text", second.arn)
        with pytest.raises(InvalidCiphertextException):
            provider.re_encrypt(caller, sealed, {}, second.arn, {})

    @pytest.mark.parametrize("use", USES)
    def test_a_disabled_key_has_no_use_until_it_is_enabled(
        self, provider: KeyProvider, caller: Caller, use: str
    ) -> None:
        key = self._key_with_ciphertext(provider, caller)
        for _ in range(2):  # again is no error
            provider.disable_key(caller, key.key_id)
        assert described(provider, caller, key.arn).state is KeyState.DISABLED
        with pytest.raises(DisabledException):
            USES[use](provider, caller, key)
        for _ in range(2):
            provider.enable_key(caller, key.key_id)
        USES[use](provider, caller, key)

    @pytest.mark.parametrize("use", USES)
    def test_a_key_pending_deletion_has_no_use(self, provider: KeyProvider, caller: Caller, use: str) -> None:
        key = self._key_with_ciphertext(provider, caller)
        date = provider.schedule_key_deletion(caller, key.key_id, waiting_days=7)
        assert provider.schedule_key_deletion(caller, key.key_id, waiting_days=30) == date, "the date stands"
        pending = described(provider, caller, key.arn)
        assert (pending.state, pending.deletion_date) == (KeyState.PENDING_DELETION, date)
        with pytest.raises(KMSInvalidStateException):
            USES[use](provider, caller, key)
        with pytest.raises(KMSInvalidStateException):
            provider.enable_key(caller, key.key_id)
        for _ in range(2):
            provider.cancel_key_deletion(caller, key.key_id)
        left = described(provider, caller, key.arn)
        assert (left.state, left.deletion_date) == (KeyState.DISABLED, None)
        provider.enable_key(caller, key.key_id)
        USES[use](provider, caller, key)

    def test_description_and_tags_change(self, provider: KeyProvider, caller: Caller) -> None:
        key = new_key(provider, caller, tags={"a": "1"})
        provider.update_key_description(caller, key.key_id, "new words")
        provider.tag_resource(caller, key.key_id, {"a": "2", "b": "3"})
        provider.untag_resource(caller, key.key_id, ["a", "absent"])
        now = described(provider, caller, key.key_id)
        assert (now.description, now.tags) == ("new words", {"b": "3"})
        with pytest.raises(TagException):
            provider.tag_resource(caller, key.key_id, {f"t{n}": "" for n in range(50)})

    def _key_with_ciphertext(self, provider: KeyProvider, caller: Caller) -> KeyDescription:
        key = new_key(provider, caller)
        _ciphertexts[key.key_id] = provider.encrypt(caller, key.key_id, b"text", CONTEXT)
        return key
