"""A ciphertext opens under its key, with its context, in its Region, unchanged; and no other way (KM4, I7)."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.amounts import amount
from tests.clients import keys
from tests.clients.server import Server
from tests.counts import count

CONTEXT = {"tenant": "red", "schlüssel": "größe ✓"}


@pytest.fixture
def sealed(kms: Any) -> tuple[str, bytes]:
    """A key, and what is sealed under it with ``CONTEXT``."""
    key_id = keys.made(kms)
    return key_id, kms.encrypt(KeyId=key_id, Plaintext=b"secret", EncryptionContext=CONTEXT)["CiphertextBlob"]


def test_it_opens_with_the_pairs_in_any_order(kms: Any, sealed: tuple[str, bytes]) -> None:
    backwards = dict(reversed(CONTEXT.items()))
    assert kms.decrypt(CiphertextBlob=sealed[1], EncryptionContext=backwards)["Plaintext"] == b"secret"


@pytest.mark.parametrize(
    "context",
    [{}, {"tenant": "red"}, {**CONTEXT, "more": ""}, {**CONTEXT, "tenant": "Red"}, {**CONTEXT, "tenant": "red "}],
)
def test_another_context_does_not_open_it(kms: Any, sealed: tuple[str, bytes], context: dict[str, str]) -> None:
    with pytest.raises(kms.exceptions.InvalidCiphertextException):
        kms.decrypt(CiphertextBlob=sealed[1], EncryptionContext=context)
    with pytest.raises(kms.exceptions.InvalidCiphertextException):
        kms.re_encrypt(CiphertextBlob=sealed[1], SourceEncryptionContext=context, DestinationKeyId=sealed[0])


def test_no_flipped_bit_opens(kms: Any, sealed: tuple[str, bytes]) -> None:
    key_id, blob = sealed
    step = amount(ci=8, campaign=1)
    for bit in range(0, len(blob) * 8, step):
        changed = bytearray(blob)
        changed[bit // 8] ^= 1 << ((bit + bit // 8) % 8)
        for named in ({}, {"KeyId": key_id}):
            with pytest.raises(ClientError) as refused:
                kms.decrypt(CiphertextBlob=bytes(changed), EncryptionContext=CONTEXT, **named)
            expected = {"InvalidCiphertextException"} | ({"IncorrectKeyException"} if named else set())
            assert refused.value.response["Error"]["Code"] in expected, bit
        count("clients", flipped_bits=1)


@pytest.mark.parametrize(
    "change", [lambda raw: raw[:-1], lambda raw: raw + b"\0", lambda raw: raw[:20], lambda raw: b"x"]
)
def test_neither_shorter_nor_longer_opens(kms: Any, sealed: tuple[str, bytes], change: Any) -> None:
    with pytest.raises(kms.exceptions.InvalidCiphertextException):
        kms.decrypt(CiphertextBlob=change(sealed[1]), EncryptionContext=CONTEXT)


def test_another_key_is_told_apart(kms: Any, sealed: tuple[str, bytes]) -> None:
    with pytest.raises(kms.exceptions.IncorrectKeyException):
        kms.decrypt(CiphertextBlob=sealed[1], EncryptionContext=CONTEXT, KeyId=keys.made(kms))


def test_another_region_or_account_does_not_open_it(server: Server, abroad: Any, sealed: tuple[str, bytes]) -> None:
    for client in (abroad, server.client("stranger"), server.client("app")):
        with pytest.raises(ClientError) as refused:
            client.decrypt(CiphertextBlob=sealed[1], EncryptionContext=CONTEXT)
        assert refused.value.response["Error"]["Code"] in {
            "InvalidCiphertextException",
            "AccessDeniedException",
            "NotFoundException",
        }


def test_re_encryption_names_both_keys(kms: Any, sealed: tuple[str, bytes]) -> None:
    key_id, blob = sealed
    target = keys.made(kms)
    told = kms.re_encrypt(
        CiphertextBlob=blob,
        SourceEncryptionContext=CONTEXT,
        DestinationKeyId=target,
        DestinationEncryptionContext={"tenant": "blue"},
    )
    assert told["SourceKeyId"] == keys.arn(kms, key_id)
    assert told["KeyId"] == keys.arn(kms, target)
    assert told["SourceEncryptionAlgorithm"] == told["DestinationEncryptionAlgorithm"] == "SYMMETRIC_DEFAULT"
    opened = kms.decrypt(CiphertextBlob=told["CiphertextBlob"], EncryptionContext={"tenant": "blue"})
    assert opened["Plaintext"] == b"secret"


def test_old_material_opens_after_rotations(kms: Any, sealed: tuple[str, bytes]) -> None:
    key_id, blob = sealed
    before = kms.describe_key(KeyId=key_id)["KeyMetadata"]["CurrentKeyMaterialId"]
    for _ in range(2):
        kms.rotate_key_on_demand(KeyId=key_id)
    opened = kms.decrypt(CiphertextBlob=blob, EncryptionContext=CONTEXT)
    assert (opened["Plaintext"], opened["KeyMaterialId"]) == (b"secret", before)
    fresh = kms.encrypt(KeyId=key_id, Plaintext=b"x")["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=fresh)["KeyMaterialId"] != before


def test_deleted_imported_material_opens_again_once_it_is_back(kms: Any) -> None:
    key_id = keys.made(kms, Origin="EXTERNAL")
    keys.import_into(kms, key_id, b"\7" * 32)
    sealed = kms.encrypt(KeyId=key_id, Plaintext=b"x")["CiphertextBlob"]
    kms.delete_imported_key_material(KeyId=key_id)
    with pytest.raises(kms.exceptions.KMSInvalidStateException, match="is pending import"):
        kms.decrypt(CiphertextBlob=sealed)
    keys.import_into(kms, key_id, b"\7" * 32)
    assert kms.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"x"


def test_a_data_key_of_any_size_opens(kms: Any) -> None:
    key_id = keys.made(kms)
    for size in (1, 16, 32, 100, 1024):
        made = kms.generate_data_key(KeyId=key_id, NumberOfBytes=size)
        assert len(made["Plaintext"]) == size
        assert kms.decrypt(CiphertextBlob=made["CiphertextBlob"])["Plaintext"] == made["Plaintext"]


def test_a_data_key_pair_opens_and_fits(kms: Any) -> None:
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        PublicFormat,
        load_der_private_key,
    )

    key_id = keys.made(kms)
    for spec in ("RSA_2048", "ECC_NIST_P384", "ECC_SECG_P256K1"):
        made = kms.generate_data_key_pair(KeyId=key_id, KeyPairSpec=spec, EncryptionContext=CONTEXT)
        opened = kms.decrypt(CiphertextBlob=made["PrivateKeyCiphertextBlob"], EncryptionContext=CONTEXT)
        assert opened["Plaintext"] == made["PrivateKeyPlaintext"]
        public = load_der_private_key(made["PrivateKeyPlaintext"], None).public_key()
        assert public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) == made["PublicKey"]
