"""A key service that material of vectors is imported into, spoken to as clients do: JSON in, JSON out."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.keywrap import aes_key_wrap_with_padding
from cryptography.hazmat.primitives.serialization import load_der_public_key

from reconciler.access.caller import Caller
from reconciler.host.os_fs import OsFs
from reconciler.providers.plugin import ProviderServices
from reconciler.testing.fakes import ManualClock, SeededRandom
from reconciler.testing.no_other import NoOther
from reconciler_softkms import SoftKms
from reconciler_softkms.config import SoftKmsConfig

ACCOUNT, REGION = "111122223333", "eu-west-1"
PRINCIPAL = f"arn:aws:iam::{ACCOUNT}:role/vectors"
_SHA256 = padding.OAEP(mgf=padding.MGF1(SHA256()), algorithm=SHA256(), label=None)


def blob(raw: bytes) -> str:
    """As JSON carries it."""
    return base64.b64encode(raw).decode()


class Service:
    """One account and Region."""

    def __init__(self, keys: SoftKms) -> None:
        self._keys = keys
        self._caller = Caller(principal=PRINCIPAL, account=ACCOUNT)

    def call(self, operation: str, **request: Any) -> dict[str, Any]:
        """The public answer, blobs as bytes; ServiceError."""
        given = {name: blob(value) if isinstance(value, bytes) else value for name, value in request.items()}
        answer = self._keys.answer(self._caller, operation, given)
        blobs = {"Plaintext", "Mac", "Signature", "SharedSecret", "PublicKey", "ImportToken", "CiphertextBlob"}
        return {name: base64.b64decode(value) if name in blobs else value for name, value in answer.items()}

    def pending(self, key_spec: str, key_usage: str) -> str:
        """A key without material; its id."""
        made = self.call("CreateKey", KeySpec=key_spec, KeyUsage=key_usage, Origin="EXTERNAL")
        return str(made["KeyMetadata"]["KeyId"])

    def imported(self, key_spec: str, key_usage: str, material: bytes) -> str:
        """A key with that material: raw bytes, or a private key as PKCS#8 DER; its id."""
        key_id = self.pending(key_spec, key_usage)
        kek = bytes(range(32))
        self.give(key_id, kek, aes_key_wrap_with_padding(kek, material))
        return key_id

    def give(self, key_id: str, kek: bytes, wrapped: bytes) -> None:
        """Import what ``kek`` wraps (AES-KWP, in RSA_AES_KEY_WRAP_SHA_256)."""
        asked = self.call(
            "GetParametersForImport",
            KeyId=key_id,
            WrappingAlgorithm="RSA_AES_KEY_WRAP_SHA_256",
            WrappingKeySpec="RSA_2048",
        )
        public = load_der_public_key(asked["PublicKey"])
        assert isinstance(public, rsa.RSAPublicKey)
        self.call(
            "ImportKeyMaterial",
            KeyId=key_id,
            ImportToken=asked["ImportToken"],
            EncryptedKeyMaterial=public.encrypt(kek, _SHA256) + wrapped,
            ExpirationModel="KEY_MATERIAL_DOES_NOT_EXPIRE",
        )


@contextmanager
def opened(home: Path) -> Iterator[Service]:
    """A key service with a home of its own."""
    services = ProviderServices(
        name="kms",
        account=ACCOUNT,
        region=REGION,
        principal=PRINCIPAL,
        home=home,
        fs=OsFs(),
        clock=ManualClock(),
        random=SeededRandom("vectors"),
    )
    keys = SoftKms(SoftKmsConfig(), services, NoOther())
    try:
        yield Service(keys)
    finally:
        keys.close()
