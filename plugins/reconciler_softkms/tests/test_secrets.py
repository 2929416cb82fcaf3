"""No plaintext, key, ciphertext, signature or token of any operation is in the audit log, its spool or on stderr (AU1,
I19). Every public operation is driven with a secret where it takes one."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from reconciler.access.caller import Caller
from reconciler.errors import ServiceError
from reconciler_softkms import SoftKms
from reconciler_softkms.tests.conftest import ACCOUNT, REGION

CONTEXT = {"table": "orders"}
_HIDDEN_MEMBERS = {
    *("Plaintext", "CiphertextBlob", "PrivateKeyPlaintext", "PrivateKeyCiphertextBlob", "Mac", "Signature"),
    *("SharedSecret", "GrantToken", "ImportToken", "Message", "EncryptedKeyMaterial"),
}


def text(label: str) -> str:
    return base64.b64encode(f"a secret that nobody may see: {label}".encode()).decode()


class Drive:
    """Calls operations and remembers everything that must not be seen anywhere."""

    def __init__(self, kms: SoftKms, caller: Caller, folder: Path) -> None:
        self._kms, self._caller, self._folder = kms, caller, folder
        self.spooled = b""
        self.done: set[str] = set()
        self.hidden: set[bytes] = set()

    def __call__(self, operation: str, **request: Any) -> dict[str, Any]:
        self.done.add(operation)
        self._hide(request)
        answer = self._kms.answer(self._caller, operation, request)
        self._hide(answer)
        self.spooled += b"".join(path.read_bytes() for path in self._folder.glob("*.spool"))
        return answer

    def refused(self, operation: str, **request: Any) -> None:
        with suppress(ServiceError):
            self(operation, **request)

    def _hide(self, members: Mapping[str, Any]) -> None:
        for name, value in members.items():
            if name in _HIDDEN_MEMBERS and isinstance(value, str):
                self.hidden.add(value.encode())
                with suppress(ValueError):
                    self.hidden.add(base64.b64decode(value, altchars=b"-_" if name == "GrantToken" else None))


def drive_keys(call: Drive) -> str:
    key: str = call("CreateKey", Description="d", Tags=[{"TagKey": "a", "TagValue": "b"}])["KeyMetadata"]["KeyId"]
    call("DescribeKey", KeyId=key)
    call("ListKeys")
    call("UpdateKeyDescription", KeyId=key, Description="new")
    call("CreateAlias", AliasName="alias/a", TargetKeyId=key)
    call("UpdateAlias", AliasName="alias/a", TargetKeyId=key)
    call("ListAliases")
    call("DeleteAlias", AliasName="alias/a")
    policy = call("GetKeyPolicy", KeyId=key)["Policy"]
    call("PutKeyPolicy", KeyId=key, Policy=policy)
    call("ListKeyPolicies", KeyId=key)
    call("TagResource", KeyId=key, Tags=[{"TagKey": "c", "TagValue": "d"}])
    call("ListResourceTags", KeyId=key)
    call("UntagResource", KeyId=key, TagKeys=["c"])
    call("EnableKeyRotation", KeyId=key)
    call("GetKeyRotationStatus", KeyId=key)
    call("DisableKeyRotation", KeyId=key)
    call("RotateKeyOnDemand", KeyId=key)
    call("ListKeyRotations", KeyId=key)
    call("DisableKey", KeyId=key)
    call("EnableKey", KeyId=key)
    call("ScheduleKeyDeletion", KeyId=key, PendingWindowInDays=7)
    call("CancelKeyDeletion", KeyId=key)
    call("EnableKey", KeyId=key)
    call("GetKeyLastUsage", KeyId=key)
    return key


def drive_uses(call: Drive, key: str) -> None:
    sealed = call("Encrypt", KeyId=key, Plaintext=text("encrypt"), EncryptionContext=CONTEXT)["CiphertextBlob"]
    call("Decrypt", CiphertextBlob=sealed, EncryptionContext=CONTEXT)
    call.refused("Decrypt", CiphertextBlob=sealed, EncryptionContext={"another": "context"})
    call("ReEncrypt", CiphertextBlob=sealed, SourceEncryptionContext=CONTEXT, DestinationKeyId=key)
    call("GenerateDataKey", KeyId=key, KeySpec="AES_256", EncryptionContext=CONTEXT)
    call("GenerateDataKeyWithoutPlaintext", KeyId=key, KeySpec="AES_256")
    call("GenerateDataKeyPair", KeyId=key, KeyPairSpec="ECC_NIST_P256")
    call("GenerateDataKeyPairWithoutPlaintext", KeyId=key, KeyPairSpec="ECC_NIST_P256")
    call("GenerateRandom", NumberOfBytes=64)
    granted = call(
        "CreateGrant", KeyId=key, GranteePrincipal=f"arn:aws:iam::{ACCOUNT}:role/app", Operations=["Decrypt"]
    )
    call("ListGrants", KeyId=key)
    call("ListRetirableGrants", RetiringPrincipal=f"arn:aws:iam::{ACCOUNT}:role/app")
    call.refused("RetireGrant", GrantToken=granted["GrantToken"])
    call.refused("Encrypt", KeyId=key, Plaintext=text("with a token"), GrantTokens=[granted["GrantToken"]])
    call.refused("RevokeGrant", KeyId=key, GrantId=granted["GrantId"])


def drive_pairs(call: Drive) -> None:
    mac = call("CreateKey", KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")["KeyMetadata"]["KeyId"]
    made = call("GenerateMac", KeyId=mac, Message=text("mac"), MacAlgorithm="HMAC_SHA_256")
    call("VerifyMac", KeyId=mac, Message=text("mac"), MacAlgorithm="HMAC_SHA_256", Mac=made["Mac"])
    pair = call("CreateKey", KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
    signed = call("Sign", KeyId=pair, Message=text("sign"), SigningAlgorithm="ECDSA_SHA_256")["Signature"]
    call("Verify", KeyId=pair, Message=text("sign"), Signature=signed, SigningAlgorithm="ECDSA_SHA_256")
    agree = call("CreateKey", KeySpec="ECC_NIST_P256", KeyUsage="KEY_AGREEMENT")["KeyMetadata"]["KeyId"]
    public = call("GetPublicKey", KeyId=agree)["PublicKey"]
    call("DeriveSharedSecret", KeyId=agree, KeyAgreementAlgorithm="ECDH", PublicKey=public)


def drive_imports_and_replicas(call: Drive) -> None:
    outside = call("CreateKey", Origin="EXTERNAL")["KeyMetadata"]["KeyId"]
    given = call(
        "GetParametersForImport", KeyId=outside, WrappingAlgorithm="RSAES_OAEP_SHA_256", WrappingKeySpec="RSA_2048"
    )
    call.refused(
        "ImportKeyMaterial",
        KeyId=outside,
        ImportToken=given["ImportToken"],
        EncryptedKeyMaterial=text("material" * 20),
        ExpirationModel="KEY_MATERIAL_DOES_NOT_EXPIRE",
    )
    call.refused("DeleteImportedKeyMaterial", KeyId=outside)
    everywhere = call("CreateKey", MultiRegion=True)["KeyMetadata"]["KeyId"]
    call("ReplicateKey", KeyId=everywhere, ReplicaRegion="us-east-1")
    call("UpdatePrimaryRegion", KeyId=everywhere, PrimaryRegion="us-east-1")


def test_no_operation_leaves_a_secret_behind(
    provider: SoftKms, caller: Caller, home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = home / "softkms" / ACCOUNT / REGION
    call = Drive(provider, caller, folder)
    key = drive_keys(call)
    drive_uses(call, key)
    drive_pairs(call)
    drive_imports_and_replicas(call)
    assert call.done == set(provider.operations), "a new operation is driven here, too"
    assert call.spooled
    log = json.dumps([event for _, event in provider.audit_events()]).encode()
    stored = b"".join(path.read_bytes() for path in folder.iterdir() if path.name.startswith("keys.db"))
    captured = capfd.readouterr()
    assert len(call.hidden) > 30
    for where in (call.spooled, log, stored, (captured.out + captured.err).encode()):
        assert [hidden for hidden in call.hidden if len(hidden) >= 16 and hidden in where] == []
