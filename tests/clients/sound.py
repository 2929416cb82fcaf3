"""One sound request of each operation: what the tables of answers and of errors start from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Final

from tests.clients import keys
from tests.clients.server import OTHER_REGION, arn_of

Request = dict[str, Any]

MESSAGE: Final = b"what is signed"
CONTEXT: Final = {"purpose": "tests"}


def _encrypted(kms: Any) -> Request:
    key_id = keys.made(kms)
    sealed = kms.encrypt(KeyId=key_id, Plaintext=b"secret", EncryptionContext=CONTEXT)["CiphertextBlob"]
    return {"KeyId": key_id, "CiphertextBlob": sealed, "EncryptionContext": CONTEXT}


def _re_encrypted(kms: Any) -> Request:
    given = _encrypted(kms)
    return {
        "CiphertextBlob": given["CiphertextBlob"],
        "SourceEncryptionContext": CONTEXT,
        "SourceKeyId": given["KeyId"],
        "DestinationKeyId": keys.made(kms),
    }


def _signed(kms: Any) -> Request:
    given = {"KeyId": keys.made(kms, "ECC_NIST_P256"), "Message": MESSAGE, "SigningAlgorithm": "ECDSA_SHA_256"}
    return {**given, "Signature": kms.sign(**given)["Signature"]}


def _authenticated(kms: Any) -> Request:
    given = {"KeyId": keys.made(kms, "HMAC_256"), "Message": MESSAGE, "MacAlgorithm": "HMAC_SHA_256"}
    return {**given, "Mac": kms.generate_mac(**given)["Mac"]}


def _granted(kms: Any) -> Request:
    key_id = keys.made(kms)
    grant = kms.create_grant(KeyId=key_id, GranteePrincipal=arn_of("app"), Operations=["Decrypt"])
    return {"KeyId": keys.arn(kms, key_id), "GrantId": grant["GrantId"]}


def _aliased(kms: Any) -> Request:
    key_id = keys.made(kms)
    name = f"alias/{key_id}"
    kms.create_alias(AliasName=name, TargetKeyId=key_id)
    return {"AliasName": name, "TargetKeyId": key_id}


def _importing(kms: Any) -> Request:
    key_id = keys.made(kms, Origin="EXTERNAL")
    asked = kms.get_parameters_for_import(
        KeyId=key_id, WrappingAlgorithm="RSAES_OAEP_SHA_256", WrappingKeySpec="RSA_2048"
    )
    material = hashlib.sha256(key_id.encode()).digest()
    return {
        "KeyId": key_id,
        "ImportToken": asked["ImportToken"],
        "EncryptedKeyMaterial": keys.wrap(asked["PublicKey"], material),
        "ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE",
    }


def _imported(kms: Any) -> Request:
    given = _importing(kms)
    kms.import_key_material(**given)
    return {"KeyId": given["KeyId"]}


def _key(**more: Any) -> Callable[[Any], Request]:
    return lambda kms: {"KeyId": keys.made(kms), **more}


def _without(name: str, make: Callable[[Any], Request]) -> Callable[[Any], Request]:
    return lambda kms: {member: value for member, value in make(kms).items() if member != name}


def _replicated(kms: Any) -> Request:
    key_id = keys.made(kms, MultiRegion=True)
    kms.replicate_key(KeyId=key_id, ReplicaRegion=OTHER_REGION)
    return {"KeyId": key_id, "PrimaryRegion": OTHER_REGION}


def _scheduled(kms: Any) -> Request:
    key_id = keys.made(kms)
    kms.schedule_key_deletion(KeyId=key_id)
    return {"KeyId": key_id}


SOUND: Final[dict[str, Callable[[Any], Request]]] = {
    "CancelKeyDeletion": _scheduled,
    "CreateAlias": lambda kms: {"AliasName": f"alias/{(key := keys.made(kms))}", "TargetKeyId": key},
    "CreateGrant": _key(GranteePrincipal=arn_of("app"), Operations=["Decrypt"]),
    "CreateKey": lambda kms: {},
    "Decrypt": _encrypted,
    "DeleteAlias": _without("TargetKeyId", _aliased),
    "DeleteImportedKeyMaterial": _imported,
    "DeriveSharedSecret": lambda kms: {
        "KeyId": keys.made(kms, "ECC_NIST_P256", "KEY_AGREEMENT"),
        "KeyAgreementAlgorithm": "ECDH",
        "PublicKey": keys.peer_key(),
    },
    "DescribeKey": _key(),
    "DisableKey": _key(),
    "DisableKeyRotation": _key(),
    "EnableKey": _key(),
    "EnableKeyRotation": _key(RotationPeriodInDays=90),
    "Encrypt": _key(Plaintext=b"secret", EncryptionContext=CONTEXT),
    "GenerateDataKey": _key(KeySpec="AES_256", EncryptionContext=CONTEXT),
    "GenerateDataKeyPair": _key(KeyPairSpec="ECC_NIST_P256"),
    "GenerateDataKeyPairWithoutPlaintext": _key(KeyPairSpec="ECC_NIST_P256"),
    "GenerateDataKeyWithoutPlaintext": _key(NumberOfBytes=16),
    "GenerateMac": _without("Mac", _authenticated),
    "GenerateRandom": lambda kms: {"NumberOfBytes": 32},
    "GetKeyLastUsage": _key(),
    "GetKeyPolicy": _key(),
    "GetKeyRotationStatus": _key(),
    "GetParametersForImport": lambda kms: {
        "KeyId": keys.made(kms, Origin="EXTERNAL"),
        "WrappingAlgorithm": "RSAES_OAEP_SHA_256",
        "WrappingKeySpec": "RSA_2048",
    },
    "GetPublicKey": lambda kms: {"KeyId": keys.made(kms, "ECC_NIST_P256")},
    "ImportKeyMaterial": _importing,
    "ListAliases": lambda kms: {"KeyId": _aliased(kms)["TargetKeyId"]},
    "ListGrants": _granted,
    "ListKeyPolicies": _key(),
    "ListKeyRotations": _key(),
    "ListKeys": lambda kms: {"Limit": 1},
    "ListResourceTags": lambda kms: {"KeyId": keys.made(kms, Tags=[{"TagKey": "team", "TagValue": "red"}])},
    "ListRetirableGrants": lambda kms: {"RetiringPrincipal": arn_of("auditor")},
    "PutKeyPolicy": _key(Policy=keys.policy()),
    "ReEncrypt": _re_encrypted,
    "ReplicateKey": lambda kms: {"KeyId": keys.made(kms, MultiRegion=True), "ReplicaRegion": OTHER_REGION},
    "RetireGrant": _granted,
    "RevokeGrant": _granted,
    "RotateKeyOnDemand": _key(),
    "ScheduleKeyDeletion": _key(PendingWindowInDays=7),
    "Sign": _without("Signature", _signed),
    "TagResource": _key(Tags=[{"TagKey": "team", "TagValue": "red"}]),
    "UntagResource": lambda kms: {
        "KeyId": keys.made(kms, Tags=[{"TagKey": "team", "TagValue": "red"}]),
        "TagKeys": ["team"],
    },
    "UpdateAlias": lambda kms: {**_aliased(kms), "TargetKeyId": keys.made(kms)},
    "UpdateKeyDescription": _key(Description="another"),
    "UpdatePrimaryRegion": _replicated,
    "Verify": _signed,
    "VerifyMac": _authenticated,
}

LEFT_OUT: Final = {
    "Encapsulate": "ML-KEM keys are not among the key specs",
    "Decapsulate": "ML-KEM keys are not among the key specs",
    **dict.fromkeys(
        (
            *("ConnectCustomKeyStore", "CreateCustomKeyStore", "DeleteCustomKeyStore", "DescribeCustomKeyStores"),
            *("DisconnectCustomKeyStore", "UpdateCustomKeyStore"),
        ),
        "keys are in the key service's own store; those of an HSM come with the kinds for it",
    ),
}


def call(kms: Any, operation: str, request: Request) -> Any:
    """Send it."""
    from botocore import xform_name

    return getattr(kms, xform_name(operation))(**request)
