"""Numbers of the standard that we use, each class one family (CKA, CKM, CKO, CKK, CKF, CKU)."""

from __future__ import annotations

from typing import Final


class Attribute:
    """CKA."""

    CLASS: Final = 0x0
    TOKEN: Final = 0x1
    PRIVATE: Final = 0x2
    LABEL: Final = 0x3
    VALUE: Final = 0x11
    KEY_TYPE: Final = 0x100
    ID: Final = 0x102
    SENSITIVE: Final = 0x103
    ENCRYPT: Final = 0x104
    DECRYPT: Final = 0x105
    WRAP: Final = 0x106
    UNWRAP: Final = 0x107
    SIGN: Final = 0x108
    VERIFY: Final = 0x10A
    DERIVE: Final = 0x10C
    VALUE_LEN: Final = 0x161
    EXTRACTABLE: Final = 0x162
    MODIFIABLE: Final = 0x170


class Mechanism:
    """CKM."""

    SHA256_HMAC: Final = 0x251
    GENERIC_SECRET_KEY_GEN: Final = 0x350
    AES_KEY_GEN: Final = 0x1080
    AES_CBC_PAD: Final = 0x1085
    AES_GCM: Final = 0x1087
    AES_KEY_WRAP: Final = 0x2109
    AES_KEY_WRAP_PAD: Final = 0x210A
    AES_KEY_WRAP_KWP: Final = 0x210B


class ObjectClass:
    """CKO."""

    SECRET_KEY: Final = 0x4


class KeyType:
    """CKK."""

    GENERIC_SECRET: Final = 0x10
    AES: Final = 0x1F


class MechanismFlag:
    """CKF of a mechanism."""

    ENCRYPT: Final = 0x100
    DECRYPT: Final = 0x200
    SIGN: Final = 0x800
    VERIFY: Final = 0x2000
    GENERATE: Final = 0x8000
    WRAP: Final = 0x20000
    UNWRAP: Final = 0x40000


class TokenFlag:
    """CKF of a token."""

    INITIALIZED: Final = 0x400
    USER_PIN_FINAL_TRY: Final = 0x20000
    USER_PIN_LOCKED: Final = 0x40000


class SessionFlag:
    """CKF of a session."""

    READ_WRITE: Final = 0x2
    SERIAL: Final = 0x4


OS_LOCKING_OK: Final = 0x2
SECURITY_OFFICER: Final = 0
USER: Final = 1
