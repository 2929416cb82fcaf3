"""What every use of key material is refused for, and under which name: a row an operation, a column a refusal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from reconciler.errors import (
    AccessDeniedException,
    DisabledException,
    DryRunOperationException,
    IncorrectKeyException,
    InvalidArnException,
    InvalidGrantTokenException,
    InvalidKeyUsageException,
    KMSInvalidStateException,
    NotFoundException,
    UnsupportedOperationException,
)
from reconciler_softkms.tests.asking import operation_model
from reconciler_softkms.tests.conftest import ACCOUNT
from reconciler_softkms.tests.every_key import EveryKey

STRANGER = f"arn:aws:iam::{ACCOUNT}:role/stranger"
ABROAD = "arn:aws:iam::444455556666:role/stranger"

# The key that the operation is for, and what else it is asked with.
CALLS: dict[str, tuple[str, Mapping[str, Any]]] = {
    "Encrypt": ("symmetric", {"Plaintext": b"text"}),
    "Encrypt RSA": ("rsa", {"Plaintext": b"text", "EncryptionAlgorithm": "RSAES_OAEP_SHA_256"}),
    "Decrypt": ("symmetric", {"CiphertextBlob": "of symmetric"}),
    "Decrypt RSA": ("rsa", {"CiphertextBlob": "of rsa", "EncryptionAlgorithm": "RSAES_OAEP_SHA_256"}),
    "ReEncrypt": ("symmetric", {"CiphertextBlob": "of symmetric", "DestinationKeyId": "alias/other"}),
    "GenerateDataKey": ("symmetric", {"NumberOfBytes": 16}),
    "GenerateDataKeyWithoutPlaintext": ("symmetric", {"KeySpec": "AES_128"}),
    "GenerateDataKeyPair": ("symmetric", {"KeyPairSpec": "ECC_NIST_P256"}),
    "GenerateDataKeyPairWithoutPlaintext": ("symmetric", {"KeyPairSpec": "ECC_SECG_P256K1"}),
    "Sign": ("p256", {"Message": b"text", "SigningAlgorithm": "ECDSA_SHA_256"}),
    "Verify": ("p256", {"Message": b"text", "SigningAlgorithm": "ECDSA_SHA_256", "Signature": "of p256"}),
    "GenerateMac": ("hmac-256", {"Message": b"text", "MacAlgorithm": "HMAC_SHA_256"}),
    "VerifyMac": ("hmac-256", {"Message": b"text", "MacAlgorithm": "HMAC_SHA_256", "Mac": "of hmac-256"}),
    "DeriveSharedSecret": ("agreeing", {"KeyAgreementAlgorithm": "ECDH", "PublicKey": "of agreeing"}),
    "GetPublicKey": ("p256", {}),
}
OPENS_A_BLOB = {"Decrypt", "ReEncrypt"}
NAMES = pytest.mark.parametrize("name", CALLS)


@pytest.fixture(scope="module")
def blobs(every_key: EveryKey) -> dict[str, bytes]:
    """What the key has made: a ciphertext, a signature, a MAC, its public key."""
    ask = every_key.ask
    rsa = {"KeyId": "alias/rsa", "EncryptionAlgorithm": "RSAES_OAEP_SHA_256"}
    signed = {"KeyId": "alias/p256", "SigningAlgorithm": "ECDSA_SHA_256"}
    return {
        "of symmetric": ask("Encrypt", KeyId="alias/symmetric", Plaintext=b"text")["CiphertextBlob"],
        "of rsa": ask("Encrypt", Plaintext=b"text", **rsa)["CiphertextBlob"],
        "of p256": ask("Sign", Message=b"text", **signed)["Signature"],
        "of hmac-256": ask("GenerateMac", KeyId="alias/hmac-256", Message=b"text", MacAlgorithm="HMAC_SHA_256")["Mac"],
        "of agreeing": ask("GetPublicKey", KeyId="alias/agreeing")["PublicKey"],
    }


class Calls:
    """The calls of the table, by name."""

    def __init__(self, every_key: EveryKey, blobs: Mapping[str, bytes]) -> None:
        self.every_key = every_key
        self._blobs = blobs

    def ask(self, name: str, *, principal: str | None = None, key_id: str | None = None, **more: Any) -> dict[str, Any]:
        key, members = CALLS[name]
        operation = name.partition(" ")[0]
        named = "SourceKeyId" if operation == "ReEncrypt" else "KeyId"
        filled = {member: self._blobs.get(value, value) for member, value in members.items() if value is not None}
        client = self.every_key.client if principal is None else self.every_key.as_other(principal)
        return client.ask(operation, **{named: key_id or self.every_key.arns[key], **filled, **more})


@pytest.fixture
def calls(every_key: EveryKey, blobs: dict[str, bytes]) -> Calls:
    return Calls(every_key, blobs)


@NAMES
def test_the_key_may_be_named_in_four_ways_and_is_answered_by_its_arn(calls: Calls, name: str) -> None:
    key, _ = CALLS[name]
    arn = calls.every_key.arns[key]
    for key_id in (arn, arn.rpartition("/")[2], f"alias/{key}", arn.rpartition(":")[0] + f":alias/{key}"):
        answer = calls.ask(name, key_id=key_id)
        assert answer["SourceKeyId" if name == "ReEncrypt" else "KeyId"] == arn


@NAMES
def test_an_answer_has_the_members_of_the_published_model(calls: Calls, name: str) -> None:
    operation = name.partition(" ")[0]
    expected = set(operation_model(operation).output_shape.members) - {"CiphertextForRecipient"}
    expected -= {"EncapsulationAlgorithms"}
    if name == "Decrypt RSA":
        expected -= {"KeyMaterialId"}  # told of symmetric keys only
    if name == "GetPublicKey":
        expected -= {"EncryptionAlgorithms", "KeyAgreementAlgorithms"}  # told of keys of that usage only
    assert set(calls.ask(name)) == expected


@NAMES
def test_a_key_that_is_not_there(calls: Calls, name: str) -> None:
    elsewhere = calls.every_key.arns["symmetric"].replace("eu-west-1", "us-east-1")
    for key_id in ("00000000-0000-4000-8000-000000000000", "alias/none", elsewhere):
        with pytest.raises(NotFoundException):
            calls.ask(name, key_id=key_id)


@NAMES
def test_what_only_looks_like_an_arn(calls: Calls, name: str) -> None:
    with pytest.raises(InvalidArnException):
        calls.ask(name, key_id="arn:aws:s3:::bucket")


@NAMES
def test_whoever_nothing_allows_is_refused_by_the_operations_own_permission(calls: Calls, name: str) -> None:
    operation = name.partition(" ")[0]
    action = {"ReEncrypt": "kms:ReEncryptFrom"}.get(operation, f"kms:{operation}")
    for principal in (STRANGER, ABROAD):
        with pytest.raises(AccessDeniedException, match=f"not authorized to perform: {action} on resource"):
            calls.ask(name, principal=principal)
        last = calls.every_key.last_event()
        assert (last["eventName"], last["errorCode"]) == (operation, "AccessDenied")


STATES = {
    "Disabled": (DisabledException, "is disabled"),
    "PendingDeletion": (KMSInvalidStateException, "is pending deletion"),
    "PendingReplicaDeletion": (KMSInvalidStateException, "is pending replica deletion"),
    "PendingImport": (KMSInvalidStateException, "is pending import"),
    "Creating": (KMSInvalidStateException, "is being created"),
}


@NAMES
def test_a_key_in_another_state_than_enabled_is_of_no_use(calls: Calls, name: str) -> None:
    key, _ = CALLS[name]
    for state, (refusal, told) in STATES.items():
        with calls.every_key.in_state(key, state), pytest.raises(refusal, match=told):
            calls.ask(name)
    with calls.every_key.in_state(key, "Updating"):
        calls.ask(name)


@NAMES
def test_a_key_of_another_usage(calls: Calls, name: str) -> None:
    others = {"symmetric", "rsa", "p256", "hmac-256", "agreeing"} - {CALLS[name][0]}
    if name == "GetPublicKey":
        for other in ("symmetric", "hmac-256"):
            with pytest.raises(UnsupportedOperationException, match="has no public key"):
                calls.ask(name, key_id=f"alias/{other}")
        return
    # What a symmetric key sealed is another key's, whatever this one could do.
    refusal = IncorrectKeyException if name in OPENS_A_BLOB else InvalidKeyUsageException
    for other in others:
        with pytest.raises(refusal):
            calls.ask(name, key_id=f"alias/{other}")


@NAMES
def test_a_token_that_was_not_given_out(calls: Calls, name: str) -> None:
    with pytest.raises(InvalidGrantTokenException):
        calls.ask(name, GrantTokens=["AQpAMjNj"])


@NAMES
def test_a_trial_answers_nothing_and_says_whether_it_would_have(calls: Calls, name: str) -> None:
    if name == "GetPublicKey":
        return  # it has no trial
    with pytest.raises(DryRunOperationException):
        calls.ask(name, DryRun=True)
    last = calls.every_key.last_event()
    assert last["errorCode"] == "DryRunOperationException"
    assert last["requestParameters"]["dryRun"] is True
    with pytest.raises(AccessDeniedException):
        calls.ask(name, DryRun=True, principal=STRANGER)
    with calls.every_key.in_state(CALLS[name][0], "Disabled"), pytest.raises(DisabledException):
        calls.ask(name, DryRun=True)


@NAMES
def test_a_grant_on_the_operation_lets_it_pass(calls: Calls, name: str) -> None:
    from reconciler.providers.keys import GrantRequest

    key, _ = CALLS[name]
    operation = name.partition(" ")[0]
    grantee = f"arn:aws:iam::{ACCOUNT}:role/{name.replace(' ', '-')}"
    wanted = {"ReEncrypt": [("ReEncryptFrom", key), ("ReEncryptTo", "other")]}.get(operation, [(operation, key)])
    for granted, on in wanted:
        with pytest.raises(AccessDeniedException):
            calls.ask(name, principal=grantee)
        request = GrantRequest(
            key_id=calls.every_key.arns[on], grantee_principal=grantee, operations=(granted,), name=granted
        )
        calls.every_key.provider.create_grant(calls.every_key.caller, request)
    assert calls.ask(name, principal=grantee)


# What a statement can ask of the request, and what the call of the table answers to it.
ASKED: dict[str, dict[str, str]] = {
    "Encrypt": {"kms:EncryptionAlgorithm": "SYMMETRIC_DEFAULT", "kms:RequestAlias": "alias/symmetric"},
    "Encrypt RSA": {"kms:EncryptionAlgorithm": "RSAES_OAEP_SHA_256"},
    "Decrypt": {"kms:EncryptionAlgorithm": "SYMMETRIC_DEFAULT", "kms:RequestAlias": "alias/symmetric"},
    "Decrypt RSA": {"kms:EncryptionAlgorithm": "RSAES_OAEP_SHA_256"},
    "ReEncrypt": {"kms:EncryptionAlgorithm": "SYMMETRIC_DEFAULT", "kms:ReEncryptOnSameKey": "false"},
    "GenerateDataKey": {"kms:EncryptionAlgorithm": "SYMMETRIC_DEFAULT"},
    "GenerateDataKeyWithoutPlaintext": {"kms:EncryptionAlgorithm": "SYMMETRIC_DEFAULT"},
    "GenerateDataKeyPair": {"kms:DataKeyPairSpec": "ECC_NIST_P256", "kms:EncryptionAlgorithm": "SYMMETRIC_DEFAULT"},
    "GenerateDataKeyPairWithoutPlaintext": {"kms:DataKeyPairSpec": "ECC_SECG_P256K1"},
    "Sign": {"kms:SigningAlgorithm": "ECDSA_SHA_256", "kms:MessageType": "RAW"},
    "Verify": {"kms:SigningAlgorithm": "ECDSA_SHA_256", "kms:MessageType": "RAW"},
    "GenerateMac": {"kms:MacAlgorithm": "HMAC_SHA_256"},
    "VerifyMac": {"kms:MacAlgorithm": "HMAC_SHA_256"},
    "DeriveSharedSecret": {"kms:KeyAgreementAlgorithm": "ECDH"},
    "GetPublicKey": {"kms:RequestAlias": "alias/p256"},
}


@NAMES
def test_a_policy_can_ask_how_the_key_is_used(calls: Calls, name: str) -> None:
    key, _ = CALLS[name]
    every, arn = calls.every_key, calls.every_key.arns[key]
    usual = every.provider.get_key_policies(every.caller, [arn])[arn]
    asked = {"Effect": "Allow", "Principal": {"AWS": STRANGER}, "Action": "kms:*", "Resource": "*"}
    try:
        for condition, value in ASKED[name].items():
            for written in (value, "another"):
                statement = {**asked, "Condition": {"StringEquals": {condition: written}}}
                document = {**usual, "Statement": [*usual["Statement"], statement]}
                every.provider.put_key_policy(every.caller, arn, document)
                target = {"DestinationKeyId": arn} if name == "ReEncrypt" and condition.endswith("Algorithm") else {}
                if name == "ReEncrypt" and not target:
                    # Allowed on the source; what is missed then is the permission on the other key.
                    missed = "kms:ReEncryptTo" if written == value else "kms:ReEncryptFrom"
                    with pytest.raises(AccessDeniedException, match=missed):
                        calls.ask(name, principal=STRANGER)
                elif written == value:
                    assert calls.ask(name, principal=STRANGER, key_id=f"alias/{key}", **target)
                else:
                    with pytest.raises(AccessDeniedException):
                        calls.ask(name, principal=STRANGER, key_id=f"alias/{key}", **target)
    finally:
        every.provider.put_key_policy(every.caller, arn, usual)


# A condition, the call that meets it, and what makes the call miss it.
TOLD_APART: dict[str, tuple[str, str, Mapping[str, Any]]] = {
    "kms:SigningAlgorithm": ("Sign RSA", "RSASSA_PSS_SHA_256", {"SigningAlgorithm": "RSASSA_PSS_SHA_384"}),
    "kms:MessageType": ("Sign RSA", "RAW", {"MessageType": "DIGEST", "Message": bytes(32)}),
    "kms:EncryptionAlgorithm": ("Encrypt RSA", "RSAES_OAEP_SHA_256", {"EncryptionAlgorithm": "RSAES_OAEP_SHA_1"}),
    "kms:EncryptionContext:a": ("Encrypt", "1", {"EncryptionContext": {"a": "2"}}),
    "kms:RequestAlias": ("Encrypt", "alias/symmetric", {"KeyId": "the ARN"}),
    "kms:DataKeyPairSpec": ("GenerateDataKeyPair", "ECC_NIST_P256", {"KeyPairSpec": "ECC_SECG_P256K1"}),
    "kms:ReEncryptOnSameKey": ("ReEncrypt", "true", {"DestinationKeyId": "alias/other"}),
}
MEETING: Mapping[str, Mapping[str, Any]] = {
    "Sign RSA": {"Message": b"text", "SigningAlgorithm": "RSASSA_PSS_SHA_256"},
    "Encrypt": {"Plaintext": b"text", "EncryptionContext": {"a": "1"}},
    "ReEncrypt": {"CiphertextBlob": "of symmetric", "DestinationKeyId": "alias/symmetric"},
}


@pytest.mark.parametrize("condition", TOLD_APART)
def test_what_was_decided_is_not_remembered_for_another_request(
    every_key: EveryKey, blobs: dict[str, bytes], condition: str
) -> None:
    name, written, missing = TOLD_APART[condition]
    key = "rsa-signing" if name == "Sign RSA" else CALLS[name][0]
    arn = every_key.arns[key]
    usual = every_key.provider.get_key_policies(every_key.caller, [arn])[arn]
    asked = {"Effect": "Allow", "Principal": {"AWS": STRANGER}, "Action": "kms:*", "Resource": "*"}
    statement = {**asked, "Condition": {"StringEquals": {condition: written}}}
    meets = {"KeyId": f"alias/{key}", **(MEETING.get(name) or CALLS[name][1])}
    if name == "ReEncrypt":
        del meets["KeyId"]
    meets = {member: blobs.get(value, value) if isinstance(value, str) else value for member, value in meets.items()}
    misses = {**meets, **{member: arn if value == "the ARN" else value for member, value in missing.items()}}
    client, operation = every_key.as_other(STRANGER), name.partition(" ")[0]
    every_key.provider.put_key_policy(every_key.caller, arn, {**usual, "Statement": [*usual["Statement"], statement]})
    try:
        for _ in range(3):
            assert client.ask(operation, **meets)
            with pytest.raises(AccessDeniedException):
                client.ask(operation, **misses)
    finally:
        every_key.provider.put_key_policy(every_key.caller, arn, usual)
