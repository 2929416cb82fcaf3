"""Key specs: what each can be used for, which grant operations that admits, and fresh material of each."""

from __future__ import annotations

from typing import Final

from reconciler.envelope.data_key import DataKey
from reconciler.errors import ValidationException
from reconciler.model.ports import Random

SYMMETRIC: Final = "SYMMETRIC_DEFAULT"
ENCRYPT_DECRYPT: Final = "ENCRYPT_DECRYPT"

_RSA: Final = {"RSA_2048": 2048, "RSA_3072": 3072, "RSA_4096": 4096}
_ECC: Final = ("ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521", "ECC_SECG_P256K1")
_HMAC_BYTES: Final = {"HMAC_224": 28, "HMAC_256": 32, "HMAC_384": 48, "HMAC_512": 64}

USAGES: Final[dict[str, tuple[str, ...]]] = {
    SYMMETRIC: (ENCRYPT_DECRYPT,),
    **dict.fromkeys(_RSA, (ENCRYPT_DECRYPT, "SIGN_VERIFY")),
    **dict.fromkeys(_ECC[:3], ("SIGN_VERIFY", "KEY_AGREEMENT")),
    _ECC[3]: ("SIGN_VERIFY",),
    **dict.fromkeys(_HMAC_BYTES, ("GENERATE_VERIFY_MAC",)),
}

_ANY_KEY: Final = ("CreateGrant", "RetireGrant", "DescribeKey")
_SYMMETRIC_ONLY: Final = (
    "GenerateDataKey",
    "GenerateDataKeyWithoutPlaintext",
    "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext",
)
_OPERATIONS_OF_USAGE: Final[dict[str, tuple[str, ...]]] = {
    ENCRYPT_DECRYPT: ("Encrypt", "Decrypt", "ReEncryptFrom", "ReEncryptTo"),
    "SIGN_VERIFY": ("Sign", "Verify"),
    "GENERATE_VERIFY_MAC": ("GenerateMac", "VerifyMac"),
    "KEY_AGREEMENT": ("DeriveSharedSecret",),
}
GRANT_OPERATIONS: Final = frozenset(
    (*_ANY_KEY, *_SYMMETRIC_ONLY, "GetPublicKey", *(name for names in _OPERATIONS_OF_USAGE.values() for name in names))
)


def check_spec(key_spec: str, key_usage: str) -> None:
    """ValidationException for a spec that there is not, or a usage that it does not admit."""
    if key_spec not in USAGES:
        raise ValidationException(f'There is no key spec "{key_spec}"; there are {", ".join(USAGES)}')
    if key_usage not in USAGES[key_spec]:
        raise ValidationException(
            f"A {key_spec} key cannot have the usage {key_usage}; it can have {' or '.join(USAGES[key_spec])}"
        )


def grantable(key_spec: str, key_usage: str) -> frozenset[str]:
    """The operations that a grant on such a key may hold."""
    more = _SYMMETRIC_ONLY if key_spec == SYMMETRIC else ()
    public = ("GetPublicKey",) if key_spec in _RSA or key_spec in _ECC else ()
    return frozenset((*_ANY_KEY, *_OPERATIONS_OF_USAGE[key_usage], *more, *public))


def fresh_material(key_spec: str, random: Random) -> DataKey:
    """New material: raw bytes, or the private key as PKCS#8 DER."""
    if key_spec == SYMMETRIC:
        return DataKey.generate(random)
    if key_spec in _HMAC_BYTES:
        return DataKey.generate(random, _HMAC_BYTES[key_spec])
    from reconciler_softkms.key_pairs import private_key

    return DataKey(private_key(key_spec, _RSA.get(key_spec)))
