"""Refusals of what a key is not for, or not in the state for, in the public service's own words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.clients import keys, sound
from tests.clients.wording import HERE, Case, is_refused


def state(happen: str) -> Callable[[Any], Any]:
    def ask(kms: Any) -> dict[str, Any]:
        key_id = keys.made(kms, Origin="EXTERNAL") if happen == "import" else keys.made(kms)
        if happen == "disable":
            kms.disable_key(KeyId=key_id)
        elif happen == "delete":
            kms.schedule_key_deletion(KeyId=key_id)
        return {"KeyId": key_id, "Plaintext": b"x"}

    return ask


def opened(by: str) -> Callable[[Any], Any]:
    """A symmetric key's ciphertext, without its context: brought to a key of that spec, or to its own."""

    def ask(kms: Any) -> dict[str, Any]:
        own = keys.made(kms)
        sealed = kms.encrypt(KeyId=own, Plaintext=b"x", EncryptionContext={"a": "b"})["CiphertextBlob"]
        return {"KeyId": keys.made(kms, by) if by else own, "CiphertextBlob": sealed}

    return ask


def waiting_for_a_rotation(kms: Any) -> dict[str, Any]:
    """Everything for an import of new material, of which there is some already."""
    key_id = keys.made(kms, Origin="EXTERNAL")
    keys.import_into(kms, key_id, b"1" * 32)
    keys.import_into(kms, key_id, b"2" * 32, ImportType="NEW_KEY_MATERIAL")
    asked = kms.get_parameters_for_import(
        KeyId=key_id, WrappingAlgorithm="RSAES_OAEP_SHA_256", WrappingKeySpec="RSA_2048"
    )
    return {
        "KeyId": key_id,
        "ImportToken": asked["ImportToken"],
        "EncryptedKeyMaterial": keys.wrap(asked["PublicKey"], b"3" * 32),
        "ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE",
        "ImportType": "NEW_KEY_MATERIAL",
    }


def imported_once(kms: Any) -> dict[str, Any]:
    key_id = keys.made(kms, Origin="EXTERNAL")
    keys.import_into(kms, key_id, b"1" * 32)
    return {"KeyId": key_id}


def rotated_often(kms: Any) -> dict[str, Any]:
    key_id = keys.made(kms)
    for _ in range(25):
        kms.rotate_key_on_demand(KeyId=key_id)
    return {"KeyId": key_id}


def disabled_pair(kms: Any) -> dict[str, Any]:
    key_id = keys.made(kms, "RSA_2048", "ENCRYPT_DECRYPT")
    kms.disable_key(KeyId=key_id)
    return {"KeyId": key_id}


def signed(spec: str, **more: Any) -> Callable[[Any], Any]:
    return lambda kms: {"KeyId": keys.made(kms, spec), "Message": b"x", **more}


CASES: dict[str, Case] = {
    "too much for an RSA key": (
        "Encrypt",
        lambda kms: {
            "KeyId": keys.made(kms, "RSA_2048", "ENCRYPT_DECRYPT"),
            "Plaintext": b"x" * 215,
            "EncryptionAlgorithm": "RSAES_OAEP_SHA_1",
        },
        "ValidationException",
        "Algorithm RSAES_OAEP_SHA_1 and key spec RSA_2048 cannot encrypt data larger than 214 bytes.",
    ),
    "a disabled key": ("Encrypt", state("disable"), "DisabledException", rf"{HERE}:key/[\w-]+ is disabled\."),
    "a key that is going": (
        "Encrypt",
        state("delete"),
        "KMSInvalidStateException",
        rf"{HERE}:key/[\w-]+ is pending deletion\.",
    ),
    "a key without material": (
        "Encrypt",
        state("import"),
        "KMSInvalidStateException",
        rf"{HERE}:key/[\w-]+ is pending import\.",
    ),
    "a key for something else": (
        "GenerateMac",
        lambda kms: {"KeyId": keys.made(kms), "Message": b"x", "MacAlgorithm": "HMAC_SHA_256"},
        "InvalidKeyUsageException",
        rf"{HERE}:key/[\w-]+ key usage is ENCRYPT_DECRYPT which is not valid for GenerateMac\.",
    ),
    "a MAC key signs nothing": (
        "Sign",
        signed("HMAC_256", SigningAlgorithm="RSASSA_PSS_SHA_256"),
        "InvalidKeyUsageException",
        rf"{HERE}:key/[\w-]+ key usage is GENERATE_VERIFY_MAC which is not valid for Sign\.",
    ),
    "a MAC algorithm of other keys": (
        "GenerateMac",
        signed("HMAC_256", MacAlgorithm="HMAC_SHA_512"),
        "InvalidKeyUsageException",
        r"Algorithm HMAC_SHA_512 is incompatible with key spec HMAC_256\.",
    ),
    "a MAC algorithm that there is not": (
        "GenerateMac",
        signed("HMAC_256", MacAlgorithm="INVALID"),
        "ValidationException",
        r"1 validation error detected: Value 'INVALID' at 'macAlgorithm' failed to satisfy constraint: "
        r"Member must satisfy enum value set: \[.*HMAC_SHA_384.*\]",
    ),
    "a digest of another length": (
        "Sign",
        signed("RSA_2048", SigningAlgorithm="RSASSA_PSS_SHA_256", MessageType="DIGEST"),
        "ValidationException",
        r"Digest is invalid length for algorithm RSASSA_PSS_SHA_256\.",
    ),
    "another key's ciphertext": (
        "Decrypt",
        lambda kms: {**sound.SOUND["Decrypt"](kms), "KeyId": keys.made(kms)},
        "IncorrectKeyException",
        r"The key ID in the request does not identify a CMK that can perform this operation.*",
    ),
    "import into a key of the service's own material": (
        "GetParametersForImport",
        lambda kms: {
            "KeyId": keys.made(kms),
            "WrappingAlgorithm": "RSAES_OAEP_SHA_256",
            "WrappingKeySpec": "RSA_2048",
        },
        "UnsupportedOperationException",
        rf"{HERE}:key/[\w-]+ origin is AWS_KMS which is not valid for this operation\.",
    ),
    "material that expires, but when": (
        "ImportKeyMaterial",
        lambda kms: {**sound.SOUND["ImportKeyMaterial"](kms), "ExpirationModel": "KEY_MATERIAL_EXPIRES"},
        "ValidationException",
        "A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES",
    ),
    "another message's signature": (
        "Verify",
        lambda kms: {**sound.SOUND["Verify"](kms), "Message": b"another"},
        "KMSInvalidSignatureException",
        "",
    ),
    "another message's MAC": (
        "VerifyMac",
        lambda kms: {**sound.SOUND["VerifyMac"](kms), "Message": b"another"},
        "KMSInvalidMacException",
        "",
    ),
    "another context": ("Decrypt", opened(""), "InvalidCiphertextException", ""),
    "a ciphertext of another kind of key": (
        "Decrypt",
        opened("HMAC_256"),
        "IncorrectKeyException",
        r"The key ID in the request does not identify a CMK that can perform this operation\.",
    ),
    "an algorithm that is left out": (
        "Decrypt",
        lambda kms: {"KeyId": keys.made(kms, "RSA_2048", "ENCRYPT_DECRYPT"), "CiphertextBlob": b"x" * 256},
        "InvalidKeyUsageException",
        r"Algorithm SYMMETRIC_DEFAULT is incompatible with key spec RSA_2048\.",
    ),
    "a usage of other specs": (
        "CreateKey",
        lambda kms: {"KeySpec": "RSA_2048", "KeyUsage": "KEY_AGREEMENT"},
        "ValidationException",
        "KeyUsage KEY_AGREEMENT is not compatible with KeySpec RSA_2048",
    ),
    "a rotation of a disabled key pair": (
        "RotateKeyOnDemand",
        disabled_pair,
        "DisabledException",
        rf"{HERE}:key/[\w-]+ is disabled\.",
    ),
    "a rotation too many": (
        "RotateKeyOnDemand",
        rotated_often,
        "LimitExceededException",
        r"The on-demand rotations limit has been reached for the given keyId\. "
        rf"No more on-demand rotations can be performed for this key: {HERE}:key/[\w-]+",
    ),
    "a rotation with nothing to rotate to": (
        "RotateKeyOnDemand",
        imported_once,
        "KMSInvalidStateException",
        rf"No available key material pending rotation for the key: {HERE}:key/[\w-]+\.",
    ),
    "new material while other waits": (
        "ImportKeyMaterial",
        waiting_for_a_rotation,
        "KMSInvalidStateException",
        rf"New key material \(id: \w{{64}}\) cannot be imported into KMS key {HERE}:key/[\w-]+, "
        r"because another key material \(id: \w{64}\) is pending rotation\.",
    ),
    "no such grant": (
        "RevokeGrant",
        lambda kms: {"KeyId": keys.made(kms), "GrantId": "ab" * 32},
        "NotFoundException",
        f"Grant ID {'ab' * 32} not found",
    ),
    "a trial": (
        "Encrypt",
        lambda kms: {"KeyId": keys.made(kms), "Plaintext": b"x", "DryRun": True},
        "DryRunOperationException",
        r"The request would have succeeded, but the DryRun option is set\.",
    ),
}


@pytest.mark.parametrize("what", CASES)
def test_a_key_is_refused_in_the_public_words(kms: Any, what: str) -> None:
    is_refused(kms, CASES[what])
