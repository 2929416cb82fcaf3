"""The AWS Encryption SDK for Python, unchanged, encrypting and decrypting through the endpoint."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from typing import Any

import aws_encryption_sdk
import pytest
from aws_encryption_sdk import CommitmentPolicy
from aws_encryption_sdk.exceptions import AWSEncryptionSDKClientError, DecryptKeyError
from aws_encryption_sdk.identifiers import Algorithm
from aws_encryption_sdk.key_providers.kms import (
    DiscoveryAwsKmsMasterKeyProvider,
    DiscoveryFilter,
    MRKAwareDiscoveryAwsKmsMasterKeyProvider,
    MRKAwareStrictAwsKmsMasterKeyProvider,
    StrictAwsKmsMasterKeyProvider,
)

from tests.clients import keys
from tests.clients.server import ACCOUNT, OTHER_ACCOUNT, OTHER_REGION, REGION, Server, environment

SECRET = b"what a customer has to say" * 100
CONTEXT = {"tenant": "red", "purpose": "tests"}


@pytest.fixture(autouse=True)
def at_the_endpoint(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Regional clients that the SDK makes by itself come here, too."""
    for name, value in {**environment("admin"), "AWS_ENDPOINT_URL_KMS": server.url}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the SDK's own, at each of its calls
        warnings.simplefilter("ignore", ResourceWarning)  # connections of the clients that it makes and keeps
        yield


def strict(server: Server, *key_ids: str, principal: str = "admin") -> StrictAwsKmsMasterKeyProvider:
    return StrictAwsKmsMasterKeyProvider(key_ids=list(key_ids), botocore_session=server.botocore_session(principal))


def client(policy: CommitmentPolicy = CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT) -> Any:
    return aws_encryption_sdk.EncryptionSDKClient(commitment_policy=policy)


@pytest.fixture
def key(kms: Any) -> str:
    return keys.arn(kms, keys.made(kms))


@pytest.mark.parametrize("policy", CommitmentPolicy)
def test_round_trip_under_each_commitment_policy(server: Server, key: str, policy: CommitmentPolicy) -> None:
    provider = strict(server, key)
    sealed, header = client(policy).encrypt(source=SECRET, key_provider=provider, encryption_context=CONTEXT)
    opened, told = client(policy).decrypt(source=sealed, key_provider=provider)
    assert opened == SECRET
    assert told.encryption_context.items() >= CONTEXT.items()
    (wrapped,) = header.encrypted_data_keys
    assert wrapped.key_provider.key_info == key.encode()


@pytest.mark.parametrize("algorithm", [one for one in Algorithm if one.is_committing()])
def test_algorithm_suites(server: Server, key: str, algorithm: Algorithm) -> None:
    provider = strict(server, key)
    sealed, _ = client().encrypt(source=SECRET, key_provider=provider, algorithm=algorithm)
    assert client().decrypt(source=sealed, key_provider=provider)[0] == SECRET


def test_streams(server: Server, key: str) -> None:
    import io

    provider = strict(server, key)
    sealed = io.BytesIO()
    with client().stream(mode="e", source=io.BytesIO(SECRET * 50), key_provider=provider, frame_length=1024) as out:
        for chunk in out:
            sealed.write(chunk)
    sealed.seek(0)
    with client().stream(mode="d", source=sealed, key_provider=provider) as back:
        assert back.read() == SECRET * 50


def test_an_alias_encrypts_and_the_key_that_it_named_decrypts(server: Server, kms: Any) -> None:
    key_id = keys.made(kms)
    alias = f"alias/sdk/{key_id}"
    kms.create_alias(AliasName=alias, TargetKeyId=key_id)
    named = f"arn:aws:kms:{REGION}:{ACCOUNT}:{alias}"
    sealed, _ = client().encrypt(source=SECRET, key_provider=strict(server, named))
    assert client().decrypt(source=sealed, key_provider=strict(server, keys.arn(kms, key_id)))[0] == SECRET


def test_any_of_several_keys_opens(server: Server, kms: Any, key: str) -> None:
    second = keys.arn(kms, keys.made(kms))
    sealed, header = client().encrypt(source=SECRET, key_provider=strict(server, key, second))
    assert len(header.encrypted_data_keys) == 2
    for one in (key, second):
        assert client().decrypt(source=sealed, key_provider=strict(server, one))[0] == SECRET
    third = keys.arn(kms, keys.made(kms))
    with pytest.raises(AWSEncryptionSDKClientError):
        client().decrypt(source=sealed, key_provider=strict(server, third))


def test_discovery_finds_the_key_in_the_message(server: Server, key: str) -> None:
    sealed, _ = client().encrypt(source=SECRET, key_provider=strict(server, key))
    session = server.botocore_session()
    anywhere = DiscoveryAwsKmsMasterKeyProvider(botocore_session=session)
    ours = DiscoveryFilter(account_ids=[ACCOUNT], partition="aws")
    theirs = DiscoveryFilter(account_ids=[OTHER_ACCOUNT], partition="aws")
    assert client().decrypt(source=sealed, key_provider=anywhere)[0] == SECRET
    filtered = DiscoveryAwsKmsMasterKeyProvider(botocore_session=session, discovery_filter=ours)
    assert client().decrypt(source=sealed, key_provider=filtered)[0] == SECRET
    with pytest.raises(AWSEncryptionSDKClientError):
        excluded = DiscoveryAwsKmsMasterKeyProvider(botocore_session=session, discovery_filter=theirs)
        client().decrypt(source=sealed, key_provider=excluded)


def test_a_multi_region_key_opens_abroad(server: Server, kms: Any) -> None:
    key_id = keys.made(kms, MultiRegion=True)
    kms.replicate_key(KeyId=key_id, ReplicaRegion=OTHER_REGION)
    here, there = keys.arn(kms, key_id), f"arn:aws:kms:{OTHER_REGION}:{ACCOUNT}:key/{key_id}"
    session = server.botocore_session()
    provider = MRKAwareStrictAwsKmsMasterKeyProvider(key_ids=[here], botocore_session=session)
    sealed, _ = client().encrypt(source=SECRET, key_provider=provider, encryption_context=CONTEXT)
    related = MRKAwareStrictAwsKmsMasterKeyProvider(key_ids=[there], botocore_session=session)
    assert client().decrypt(source=sealed, key_provider=related)[0] == SECRET
    discovering = MRKAwareDiscoveryAwsKmsMasterKeyProvider(
        botocore_session=session,
        discovery_region=OTHER_REGION,
        discovery_filter=DiscoveryFilter(account_ids=[ACCOUNT], partition="aws"),
    )
    assert client().decrypt(source=sealed, key_provider=discovering)[0] == SECRET
    with pytest.raises(AWSEncryptionSDKClientError):
        client().decrypt(source=sealed, key_provider=strict(server, there))


def test_a_caching_materials_manager_asks_once(server: Server, kms: Any, key: str) -> None:
    from aws_encryption_sdk.caches.local import LocalCryptoMaterialsCache
    from aws_encryption_sdk.materials_managers.caching import CachingCryptoMaterialsManager

    manager = CachingCryptoMaterialsManager(
        master_key_provider=strict(server, key),
        cache=LocalCryptoMaterialsCache(10),
        max_age=60.0,
        max_messages_encrypted=10,
    )
    sealed = [client().encrypt(source=SECRET, materials_manager=manager)[0] for _ in range(3)]
    wrapped = {
        client().decrypt(source=one, materials_manager=manager)[1].encrypted_data_keys.pop().encrypted_data_key
        for one in sealed
    }
    assert len(wrapped) == 1
    kms.disable_key(KeyId=key)
    assert client().decrypt(source=sealed[0], materials_manager=manager)[0] == SECRET  # from the cache, as promised
    with pytest.raises(AWSEncryptionSDKClientError):
        client().decrypt(source=sealed[0], key_provider=strict(server, key))


def test_a_changed_message_does_not_open(server: Server, key: str) -> None:
    provider = strict(server, key)
    sealed, header = client().encrypt(source=SECRET, key_provider=provider, encryption_context=CONTEXT)
    place = sealed.index(header.encrypted_data_keys.copy().pop().encrypted_data_key) + 60
    for where in (place, len(sealed) - 1):
        changed = bytearray(sealed)
        changed[where] ^= 1
        with pytest.raises(Exception) as refused:  # the SDK has an error for each layer
            client().decrypt(source=bytes(changed), key_provider=provider)
        assert isinstance(refused.value, (AWSEncryptionSDKClientError, DecryptKeyError)) or "Invalid" in repr(
            refused.value
        )


def test_who_may_not_use_the_key_is_refused(server: Server, kms: Any) -> None:
    only_seals = keys.allow(f"arn:aws:iam::{ACCOUNT}:role/app", "kms:GenerateDataKey")
    key = keys.arn(kms, keys.made(kms, Policy=keys.policy(only_seals)))
    sealed, _ = client().encrypt(source=SECRET, key_provider=strict(server, key, principal="app"))
    with pytest.raises(AWSEncryptionSDKClientError):
        client().decrypt(source=sealed, key_provider=strict(server, key, principal="app"))
    assert client().decrypt(source=sealed, key_provider=strict(server, key))[0] == SECRET


def test_the_context_of_the_message_is_that_of_the_policy(server: Server, kms: Any) -> None:
    tenant = {"StringEquals": {"kms:EncryptionContext:tenant": "red"}}
    may = keys.allow(f"arn:aws:iam::{ACCOUNT}:role/app", "kms:GenerateDataKey", "kms:Decrypt", Condition=tenant)
    provider = strict(server, keys.arn(kms, keys.made(kms, Policy=keys.policy(may))), principal="app")
    sealed, _ = client().encrypt(source=SECRET, key_provider=provider, encryption_context=CONTEXT)
    assert client().decrypt(source=sealed, key_provider=provider)[0] == SECRET
    with pytest.raises(AWSEncryptionSDKClientError):
        client().encrypt(source=SECRET, key_provider=provider, encryption_context={"tenant": "blue"})
    assert json.loads(kms.get_key_policy(KeyId=provider.config.key_ids[0].split("/")[1])["Policy"])["Statement"]
