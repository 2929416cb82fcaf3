"""Key specs: what each can be used for, which grant operations that admits, and fresh material of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from reconciler.envelope.data_key import DataKey
from reconciler.errors import ValidationException
from reconciler.model.ports import Random

SYMMETRIC: Final = "SYMMETRIC_DEFAULT"
ENCRYPT_DECRYPT: Final = "ENCRYPT_DECRYPT"
SIGN_VERIFY: Final = "SIGN_VERIFY"
GENERATE_VERIFY_MAC: Final = "GENERATE_VERIFY_MAC"
KEY_AGREEMENT: Final = "KEY_AGREEMENT"

_RSA: Final = {"RSA_2048": 2048, "RSA_3072": 3072, "RSA_4096": 4096}
_ECC: Final = ("ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521", "ECC_SECG_P256K1")
_HMAC_BYTES: Final = {"HMAC_224": 28, "HMAC_256": 32, "HMAC_384": 48, "HMAC_512": 64}

USAGES: Final[dict[str, tuple[str, ...]]] = {
    SYMMETRIC: (ENCRYPT_DECRYPT,),
    **dict.fromkeys(_RSA, (ENCRYPT_DECRYPT, SIGN_VERIFY)),
    **dict.fromkeys(_ECC[:3], (SIGN_VERIFY, KEY_AGREEMENT)),
    _ECC[3]: (SIGN_VERIFY,),
    **dict.fromkeys(_HMAC_BYTES, (GENERATE_VERIFY_MAC,)),
}
PAIR_SPECS: Final = (*_RSA, *_ECC)

_HASHES: Final = ("SHA_256", "SHA_384", "SHA_512")
_ENCRYPTION: Final[dict[str, tuple[str, ...]]] = {
    SYMMETRIC: (SYMMETRIC,),
    **dict.fromkeys(_RSA, ("RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256")),
}
_SIGNING: Final[dict[str, tuple[str, ...]]] = {
    **dict.fromkeys(
        _RSA, tuple(f"{scheme}_{name}" for scheme in ("RSASSA_PKCS1_V1_5", "RSASSA_PSS") for name in _HASHES)
    ),
    "ECC_NIST_P256": ("ECDSA_SHA_256",),
    "ECC_NIST_P384": ("ECDSA_SHA_384",),
    "ECC_NIST_P521": ("ECDSA_SHA_512",),
    "ECC_SECG_P256K1": ("ECDSA_SHA_256",),
}
_MAC: Final[dict[str, tuple[str, ...]]] = {spec: (spec.replace("HMAC_", "HMAC_SHA_"),) for spec in _HMAC_BYTES}
_AGREEMENT: Final[dict[str, tuple[str, ...]]] = dict.fromkeys(_ECC[:3], ("ECDH",))
_ALGORITHMS: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    ENCRYPT_DECRYPT: _ENCRYPTION,
    SIGN_VERIFY: _SIGNING,
    GENERATE_VERIFY_MAC: _MAC,
    KEY_AGREEMENT: _AGREEMENT,
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
    SIGN_VERIFY: ("Sign", "Verify"),
    GENERATE_VERIFY_MAC: ("GenerateMac", "VerifyMac"),
    KEY_AGREEMENT: ("DeriveSharedSecret",),
}
GRANT_OPERATIONS: Final = frozenset(
    (*_ANY_KEY, *_SYMMETRIC_ONLY, "GetPublicKey", *(name for names in _OPERATIONS_OF_USAGE.values() for name in names))
)


@dataclass(frozen=True, slots=True)
class Algorithms:
    """What a key can be used with, as the public API lists it; only the tuple of its usage is not empty."""

    encryption: tuple[str, ...] = ()
    signing: tuple[str, ...] = ()
    mac: tuple[str, ...] = ()
    agreement: tuple[str, ...] = ()


def algorithms(key_spec: str, key_usage: str) -> Algorithms:
    """Those of a key of that spec and usage (``EncryptionAlgorithms`` … of its metadata)."""

    def of(usage: str) -> tuple[str, ...]:
        return _ALGORITHMS[usage][key_spec] if usage == key_usage else ()

    return Algorithms(of(ENCRYPT_DECRYPT), of(SIGN_VERIFY), of(GENERATE_VERIFY_MAC), of(KEY_AGREEMENT))


def admits(key_spec: str, key_usage: str, algorithm: str) -> bool:
    """Whether a key of that spec works with the algorithm, for that usage."""
    return algorithm in _ALGORITHMS[key_usage].get(key_spec, ())


def check_spec(key_spec: str, key_usage: str) -> None:
    """ValidationException for a spec that there is not, or a usage that it does not admit."""
    if key_spec not in USAGES:
        raise ValidationException(f'There is no key spec "{key_spec}"; there are {", ".join(USAGES)}')
    if key_usage not in USAGES[key_spec]:
        raise ValidationException(
            f"KeyUsage {key_usage} is not compatible with KeySpec {key_spec}",
            suggestion=f"It can have {' or '.join(USAGES[key_spec])}.",
        )


def grantable(key_spec: str, key_usage: str) -> frozenset[str]:
    """The operations that a grant on such a key may hold."""
    more = _SYMMETRIC_ONLY if key_spec == SYMMETRIC else ()
    public = ("GetPublicKey",) if key_spec in _RSA or key_spec in _ECC else ()
    return frozenset((*_ANY_KEY, *_OPERATIONS_OF_USAGE[key_usage], *more, *public))


def material_bytes(key_spec: str) -> int | None:
    """How many bytes the material of a symmetric or HMAC key has; None for a key pair."""
    return 32 if key_spec == SYMMETRIC else _HMAC_BYTES.get(key_spec)


def fresh_material(key_spec: str, random: Random) -> DataKey:
    """New material: raw bytes, or the private key as PKCS#8 DER."""
    if key_spec == SYMMETRIC:
        return DataKey.generate(random)
    if key_spec in _HMAC_BYTES:
        return DataKey.generate(random, _HMAC_BYTES[key_spec])
    from reconciler_softkms import key_pairs

    return DataKey(key_pairs.pkcs8(key_pairs.generate(key_spec)))
