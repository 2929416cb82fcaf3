"""The table of key states (reference, "Key states"), each operation in each state, through the public door."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from reconciler.access.caller import Caller
from reconciler.errors import ServiceError
from reconciler.testing.fakes import ManualClock
from reconciler_softkms import SoftKms
from reconciler_softkms.tests.conftest import ACCOUNT, ADMINISTRATOR, REGION
from reconciler_softkms.tests.every_key import open_provider

CALLER: Final = Caller(principal=ADMINISTRATOR, account=ACCOUNT)
OTHER_REGION: Final = "us-east-1"
STATES: Final = ("Disabled", "PendingDeletion", "PendingReplicaDeletion", "PendingImport", "Creating", "Updating")
CODES: Final = {
    "1": "DisabledException",
    **dict.fromkeys("345CP", "KMSInvalidStateException"),
    "U": "UnsupportedOperationException",
    "ok": None,
}
USE: Final = ("1", "3", "5", "C", "ok")
ALWAYS: Final = ("ok",) * 5

TABLE: Final[dict[str, tuple[str, ...]]] = {
    **dict.fromkeys(
        (
            *(
                "Encrypt",
                "Decrypt",
                "ReEncrypt",
                "GenerateDataKey",
                "GenerateDataKeyWithoutPlaintext",
                "Sign",
                "Verify",
            ),
            *("GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext", "GenerateMac", "VerifyMac", "GetPublicKey"),
            *("DeriveSharedSecret", "CreateGrant", "UpdatePrimaryRegion", "RotateKeyOnDemand"),
        ),
        USE,
    ),
    "ReplicateKey": ("1", "3", "5", "C", "P"),
    **dict.fromkeys(("EnableKey", "DisableKey"), ("ok", "3", "5", "C", "P")),
    **dict.fromkeys(("EnableKeyRotation", "DisableKeyRotation"), ("1", "3", "U", "C", "ok")),
    "ScheduleKeyDeletion": ("ok", "3", "ok", "ok", "P"),
    "CancelKeyDeletion": ("4", "ok", "4", "4", "4"),
    **dict.fromkeys(
        ("CreateAlias", "TagResource", "UntagResource", "UpdateKeyDescription", "UpdateAlias"),
        ("ok", "3", "ok", "ok", "ok"),
    ),
    "UpdateAlias from the key": ALWAYS,
    "GetParametersForImport": ("U", "U", "ok", "U", "U"),
    "GetParametersForImport of EXTERNAL": ("ok", "3", "ok", "C", "P"),
    "ImportKeyMaterial of EXTERNAL": ("ok", "3", "ok", "C", "ok"),
    "DeleteImportedKeyMaterial of EXTERNAL": ("ok", "ok", "ok", "C", "P"),
    **dict.fromkeys(
        (
            *("DescribeKey", "GetKeyPolicy", "PutKeyPolicy", "ListAliases", "ListGrants", "ListKeyPolicies"),
            *("ListResourceTags", "DeleteAlias", "RetireGrant", "RevokeGrant", "GetKeyLastUsage"),
            *("GetKeyRotationStatus", "ListKeyRotations"),
        ),
        ALWAYS,
    ),
}
ABOUT_NO_KEY: Final = {"CreateKey", "ListKeys", "GenerateRandom", "ListRetirableGrants"}
OTHER_SPECS: Final = {
    **dict.fromkeys(("Sign", "Verify", "GetPublicKey"), ("ECC_NIST_P256", "SIGN_VERIFY")),
    **dict.fromkeys(("GenerateMac", "VerifyMac"), ("HMAC_256", "GENERATE_VERIFY_MAC")),
    "DeriveSharedSecret": ("ECC_NIST_P256", "KEY_AGREEMENT"),
}
TEXT: Final = base64.b64encode(b"text").decode()


class World:
    """A key service, and what an operation needs of a key while that is still enabled."""

    def __init__(self, kms: SoftKms) -> None:
        self.kms = kms
        self.count = 0
        self.target = self.ask("CreateKey")["KeyMetadata"]["KeyId"]

    def ask(self, operation: str, **request: Any) -> dict[str, Any]:
        return self.kms.answer(CALLER, operation, request)

    def key(self, operation: str) -> str:
        """A key that the operation can be about. Of several Regions where it asks for that."""
        self.count += 1
        name, is_external, _ = operation.partition(" of EXTERNAL")
        spec, usage = OTHER_SPECS.get(name, ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"))
        regions = name in ("ReplicateKey", "UpdatePrimaryRegion")
        made = self.ask("CreateKey", KeySpec=spec, KeyUsage=usage, MultiRegion=regions)["KeyMetadata"]["KeyId"]
        if name == "UpdatePrimaryRegion":
            self.ask("ReplicateKey", KeyId=made, ReplicaRegion=OTHER_REGION)
        if operation.startswith("UpdateAlias"):
            self.ask("CreateAlias", AliasName=f"alias/of-{self.count}", TargetKeyId=made)
            self.ask("CreateAlias", AliasName=f"alias/target-{self.count}", TargetKeyId=self.target)
        if name == "DeleteAlias":
            self.ask("CreateAlias", AliasName=f"alias/gone-{self.count}", TargetKeyId=made)
        if is_external:
            self.force(made, "origin = 'EXTERNAL'")
        return str(made)

    def force(self, key_id: str, change: str) -> None:
        """Put a key in a state that no call of a test would leave it in."""
        with self.kms._door.store.transaction() as connection:
            connection.execute(f"UPDATE keys SET {change} WHERE key_id = ?", (key_id,))  # noqa: S608 - of this file

    def request(self, operation: str, key: str) -> dict[str, Any]:
        """What is asked, with whatever has to be made while the key is enabled."""
        build: Callable[[World, str], dict[str, Any]] = REQUESTS.get(operation.partition(" of ")[0], lambda _, __: {})
        return {"KeyId": key, **build(self, key)}


def _sealed(world: World, key: str) -> dict[str, Any]:
    return {"CiphertextBlob": world.ask("Encrypt", KeyId=key, Plaintext=TEXT)["CiphertextBlob"]}


def _grant(world: World, key: str) -> dict[str, Any]:
    asked = {"KeyId": key, "GranteePrincipal": ADMINISTRATOR, "Operations": ["RetireGrant"]}
    arn = world.ask("DescribeKey", KeyId=key)["KeyMetadata"]["Arn"]
    return {"KeyId": arn, "GrantId": world.ask("CreateGrant", **asked)["GrantId"]}


def _signed(world: World, key: str) -> dict[str, Any]:
    asked = {"Message": TEXT, "SigningAlgorithm": "ECDSA_SHA_256"}
    return {**asked, "Signature": world.ask("Sign", KeyId=key, **asked)["Signature"]}


def _maced(world: World, key: str) -> dict[str, Any]:
    asked = {"Message": TEXT, "MacAlgorithm": "HMAC_SHA_256"}
    return {**asked, "Mac": world.ask("GenerateMac", KeyId=key, **asked)["Mac"]}


def _public(world: World, key: str) -> dict[str, Any]:
    return {"KeyAgreementAlgorithm": "ECDH", "PublicKey": world.ask("GetPublicKey", KeyId=key)["PublicKey"]}


def _imported(world: World, key: str) -> dict[str, Any]:
    from cryptography.hazmat.primitives.asymmetric import padding, rsa
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    world.force(key, "material_id = ''")
    with world.kms._door.store.transaction() as connection:
        connection.execute("DELETE FROM materials WHERE key_id = ?", (key,))
    parameters = world.ask("GetParametersForImport", KeyId=key, **_WRAPPING)
    public = load_der_public_key(base64.b64decode(parameters["PublicKey"]))
    assert isinstance(public, rsa.RSAPublicKey)
    wrapped = public.encrypt(bytes(range(32)), padding.OAEP(padding.MGF1(SHA256()), SHA256(), None))
    return {
        "ImportToken": parameters["ImportToken"],
        "EncryptedKeyMaterial": base64.b64encode(wrapped).decode(),
        "ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE",
    }


_WRAPPING: Final = {"WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048"}
REQUESTS: Final[dict[str, Callable[[World, str], dict[str, Any]]]] = {
    "Encrypt": lambda _, __: {"Plaintext": TEXT},
    "Decrypt": _sealed,
    "ReEncrypt": lambda world, key: {**_sealed(world, key), "DestinationKeyId": key},
    "GenerateDataKey": lambda _, __: {"KeySpec": "AES_256"},
    "GenerateDataKeyWithoutPlaintext": lambda _, __: {"KeySpec": "AES_256"},
    "GenerateDataKeyPair": lambda _, __: {"KeyPairSpec": "ECC_NIST_P256"},
    "GenerateDataKeyPairWithoutPlaintext": lambda _, __: {"KeyPairSpec": "ECC_NIST_P256"},
    "Sign": lambda _, __: {"Message": TEXT, "SigningAlgorithm": "ECDSA_SHA_256"},
    "Verify": _signed,
    "GenerateMac": lambda _, __: {"Message": TEXT, "MacAlgorithm": "HMAC_SHA_256"},
    "VerifyMac": _maced,
    "DeriveSharedSecret": _public,
    "CreateGrant": lambda _, __: {"GranteePrincipal": ADMINISTRATOR, "Operations": ["Decrypt"]},
    "RetireGrant": _grant,
    "RevokeGrant": _grant,
    "ReplicateKey": lambda _, __: {"ReplicaRegion": OTHER_REGION},
    "UpdatePrimaryRegion": lambda _, __: {"PrimaryRegion": OTHER_REGION},
    "CreateAlias": lambda world, key: {"AliasName": f"alias/new-{world.count}", "TargetKeyId": key},
    "UpdateAlias": lambda world, key: {"AliasName": f"alias/target-{world.count}", "TargetKeyId": key},
    "UpdateAlias from the key": lambda world, _: {
        "AliasName": f"alias/of-{world.count}",
        "TargetKeyId": world.target,
    },
    "DeleteAlias": lambda world, _: {"AliasName": f"alias/gone-{world.count}"},
    "TagResource": lambda _, __: {"Tags": [{"TagKey": "a", "TagValue": "1"}]},
    "UntagResource": lambda _, __: {"TagKeys": ["a"]},
    "UpdateKeyDescription": lambda _, __: {"Description": "new"},
    "PutKeyPolicy": lambda world, key: {"Policy": world.ask("GetKeyPolicy", KeyId=key)["Policy"]},
    "GetParametersForImport": lambda _, __: _WRAPPING,
    "ImportKeyMaterial": _imported,
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    kms = open_provider(tmp_path_factory.mktemp("states"), ManualClock())
    yield World(kms)
    kms.close()


def test_every_operation_is_in_the_table(world: World) -> None:
    in_table = {name.split(" ")[0] for name in TABLE}
    assert in_table | ABOUT_NO_KEY == set(world.kms.operations)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("operation", TABLE)
def test_what_the_state_admits(world: World, operation: str, state: str) -> None:
    column = STATES.index(state) - (STATES.index(state) > 1)  # both ways of pending deletion are one column
    expected = CODES[TABLE[operation][column]]
    key = world.key(operation)
    request = world.request(operation, key)
    origin = ", origin = 'EXTERNAL'" if state == "PendingImport" else ""
    deletion = ", deletion_at = 9000000000000000" if state == "PendingDeletion" else ""
    world.force(key, f"state = '{state}'{origin}{deletion}")
    code = None
    try:
        world.ask(operation.split(" ", maxsplit=1)[0], **request)
    except ServiceError as error:
        code = error.code
    assert code == expected, f"{operation} of a key that is {state} in {REGION}"
