"""Refusals in the public service's own words, since suites and scripts compare them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.clients import keys, sound
from tests.clients.server import ACCOUNT, OTHER_REGION, REGION, arn_of

Case = tuple[str, Callable[[Any], Any], str, str]
HERE = f"arn:aws:kms:{REGION}:{ACCOUNT}"


def aliased(kms: Any) -> dict[str, str]:
    key_id = keys.made(kms)
    kms.create_alias(AliasName=f"alias/{key_id}", TargetKeyId=key_id)
    return {"AliasName": f"alias/{key_id}", "TargetKeyId": key_id}


def target(kms: Any, name: str) -> dict[str, str]:
    return {"AliasName": name, "TargetKeyId": keys.made(kms)}


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
    "a name that is none": (
        "DescribeKey",
        lambda kms: {"KeyId": "fake-key-id"},
        "NotFoundException",
        "Invalid keyId 'fake-key-id'",
    ),
    "an id without hyphens": (
        "DescribeKey",
        lambda kms: {"KeyId": "134f2428cec14b25a1ae9048164dba47"},
        "NotFoundException",
        "Invalid keyId '134f2428cec14b25a1ae9048164dba47'",
    ),
    "a multi-Region id that is none": (
        "Encrypt",
        lambda kms: {"KeyId": "mrk-fake-key-id", "Plaintext": b"x"},
        "NotFoundException",
        "Invalid keyId 'mrk-fake-key-id'",
    ),
    "an alias where only keys are taken": (
        "EnableKeyRotation",
        lambda kms: {"KeyId": aliased(kms)["AliasName"]},
        "NotFoundException",
        r"Invalid keyId 'alias/[\w-]+'",
    ),
    "no such key, by id": (
        "GenerateDataKey",
        lambda kms: {"KeyId": keys.NOBODYS, "NumberOfBytes": 5},
        "NotFoundException",
        f"Key '{HERE}:key/{keys.NOBODYS}' does not exist",
    ),
    "no such key, by ARN": (
        "DescribeKey",
        lambda kms: {"KeyId": f"{HERE}:key/{keys.NOBODYS}"},
        "NotFoundException",
        f"Key '{HERE}:key/{keys.NOBODYS}' does not exist",
    ),
    "no such multi-Region key": (
        "DescribeKey",
        lambda kms: {"KeyId": f"mrk-{'d3b95762' * 4}"},
        "NotFoundException",
        f"Key '{HERE}:key/mrk-{'d3b95762' * 4}' does not exist",
    ),
    "no such alias": (
        "DescribeKey",
        lambda kms: {"KeyId": "alias/nobodys"},
        "NotFoundException",
        f"Alias {HERE}:alias/nobodys is not found.",
    ),
    "no such alias, by ARN": (
        "Encrypt",
        lambda kms: {"KeyId": f"{HERE}:alias/nobodys", "Plaintext": b"x"},
        "NotFoundException",
        f"Alias {HERE}:alias/nobodys is not found.",
    ),
    "an ARN of another Region": (
        "DescribeKey",
        lambda kms: {"KeyId": f"arn:aws:kms:{OTHER_REGION}:{ACCOUNT}:key/{keys.NOBODYS}"},
        "NotFoundException",
        f"Invalid arn {OTHER_REGION}",
    ),
    "an alias without its prefix": (
        "CreateAlias",
        lambda kms: target(kms, "wrongprefix/mine"),
        "ValidationException",
        re.escape('Alias must start with the prefix "alias/". Please see ')
        + r"https://docs\.aws\.amazon\.com/kms/latest/developerguide/kms-alias\.html",
    ),
    "an alias twice": (
        "CreateAlias",
        aliased,
        "AlreadyExistsException",
        rf"An alias with the name {HERE}:alias/[\w-]+ already exists",
    ),
    "an alias with a forbidden letter": (
        "CreateAlias",
        lambda kms: target(kms, "alias/mine!"),
        "ValidationException",
        re.escape(
            "1 validation error detected: Value 'alias/mine!' at 'aliasName' failed to satisfy constraint: "
            "Member must satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$"
        ),
    ),
    "an alias with a colon": (
        "CreateAlias",
        lambda kms: target(kms, "alias/my:alias"),
        "ValidationException",
        "alias/my:alias contains invalid characters for an alias",
    ),
    "an alias of the service's own": (
        "CreateAlias",
        lambda kms: target(kms, "alias/aws/ebs"),
        "NotAuthorizedException",
        "",
    ),
    "an alias of an alias": (
        "CreateAlias",
        lambda kms: {"AliasName": "alias/second", "TargetKeyId": aliased(kms)["AliasName"]},
        "ValidationException",
        "Aliases must refer to keys. Not aliases",
    ),
    "a spec that there is not": (
        "CreateKey",
        lambda kms: {"KeySpec": "HMAC_random", "KeyUsage": "GENERATE_VERIFY_MAC"},
        "ValidationException",
        r"1 validation error detected: Value 'HMAC_random' at 'keySpec' failed to satisfy constraint: "
        r"Member must satisfy enum value set: \[.*RSA_2048.*\]",
    ),
    "a usage that there is not": (
        "CreateKey",
        lambda kms: {"KeySpec": "HMAC_256", "KeyUsage": "RANDOM"},
        "ValidationException",
        r"1 validation error detected: Value 'RANDOM' at 'keyUsage' failed to satisfy constraint: "
        r"Member must satisfy enum value set: \[.*ENCRYPT_DECRYPT.*\]",
    ),
    "no usage": (
        "CreateKey",
        lambda kms: {"KeySpec": "HMAC_256"},
        "ValidationException",
        "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys.",
    ),
    "nothing to encrypt": (
        "Encrypt",
        lambda kms: {"KeyId": keys.made(kms), "Plaintext": b""},
        "ValidationException",
        "1 validation error detected: Value at 'plaintext' failed to satisfy constraint: "
        "Member must have length greater than or equal to 1",
    ),
    "too much to encrypt": (
        "Encrypt",
        lambda kms: {"KeyId": keys.made(kms), "Plaintext": b"x" * 4097},
        "ValidationException",
        "1 validation error detected: Value at 'plaintext' failed to satisfy constraint: "
        "Member must have length less than or equal to 4096",
    ),
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
    "no size of random bytes": ("GenerateRandom", lambda kms: {}, "ValidationException", "NumberOfBytes is required."),
    "too many random bytes": (
        "GenerateRandom",
        lambda kms: {"NumberOfBytes": 1025},
        "ValidationException",
        "1 validation error detected: Value '1025' at 'numberOfBytes' failed to satisfy constraint: "
        "Member must have value less than or equal to 1024",
    ),
    "too large a data key": (
        "GenerateDataKey",
        lambda kms: {"KeyId": keys.made(kms), "NumberOfBytes": 1025},
        "ValidationException",
        "1 validation error detected: Value '1025' at 'numberOfBytes' failed to satisfy constraint: "
        "Member must have value less than or equal to 1024",
    ),
    "a data key of no spec": (
        "GenerateDataKey",
        lambda kms: {"KeyId": keys.made(kms), "KeySpec": "AES_512"},
        "ValidationException",
        r"1 validation error detected: Value 'AES_512' at 'keySpec' failed to satisfy constraint: "
        r"Member must satisfy enum value set: \[AES_256, AES_128\]",
    ),
    "neither spec nor size": (
        "GenerateDataKey",
        lambda kms: {"KeyId": keys.made(kms)},
        "ValidationException",
        "Please specify either number of bytes or key spec.",
    ),
    "both spec and size": (
        "GenerateDataKeyWithoutPlaintext",
        lambda kms: {"KeyId": keys.made(kms), "KeySpec": "AES_128", "NumberOfBytes": 16},
        "ValidationException",
        "Please specify either number of bytes or key spec.",
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
    "a policy of another name": (
        "GetKeyPolicy",
        lambda kms: {"KeyId": keys.made(kms), "PolicyName": "mine"},
        "NotFoundException",
        "No such policy exists",
    ),
    "a window that is too short": (
        "ScheduleKeyDeletion",
        lambda kms: {"KeyId": keys.made(kms), "PendingWindowInDays": 6},
        "ValidationException",
        ".*",
    ),
    "a rotation period that is too short": (
        "EnableKeyRotation",
        lambda kms: {"KeyId": keys.made(kms), "RotationPeriodInDays": 89},
        "ValidationException",
        ".*'89' at 'rotationPeriodInDays' failed to satisfy constraint: "
        "Member must have value greater than or equal to 90.*",
    ),
    "a grant on what the key cannot do": (
        "CreateGrant",
        lambda kms: {"KeyId": keys.made(kms), "GranteePrincipal": arn_of("app"), "Operations": ["Sign"]},
        "ValidationException",
        ".*",
    ),
    "a tag of the service's own": (
        "CreateKey",
        lambda kms: {"Tags": [{"TagKey": "aws:mine", "TagValue": ""}]},
        "TagException",
        "Tags beginning with aws: are reserved",
    ),
    "too many tags": (
        "TagResource",
        lambda kms: {
            "KeyId": keys.made(kms),
            "Tags": [{"TagKey": f"k{number}", "TagValue": ""} for number in range(51)],
        },
        "TagException",
        "Too many tags",
    ),
    "a tag twice": (
        "CreateKey",
        lambda kms: {"Tags": [{"TagKey": "a", "TagValue": ""}, {"TagKey": "a", "TagValue": "b"}]},
        "TagException",
        "Duplicate tag keys",
    ),
    "too long a tag": (
        "CreateKey",
        lambda kms: {"Tags": [{"TagKey": "k" * 129, "TagValue": ""}]},
        "ValidationException",
        r"1 validation error detected: Value 'k{129}' at 'tags\.1\.member\.tagKey' failed to satisfy constraint: "
        r"Member must have length less than or equal to 128",
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
def test_the_refusal_has_the_public_words(kms: Any, what: str) -> None:
    operation, make, code, pattern = CASES[what]
    request = make(kms)
    # The client's own checks of limits and enumerations would keep some of these from being sent.
    with pytest.raises(ClientError) as refused:
        sound.call(kms, operation, request)
    error = refused.value.response["Error"]
    assert error["Code"] == code
    assert re.fullmatch(pattern, error.get("Message", ""), re.DOTALL), error["Message"]
