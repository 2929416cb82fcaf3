"""The suites, best first, and what is done with a key of any: make it, wrap, unwrap, try it out."""

from __future__ import annotations

from typing import Final, Protocol

from reconciler_pkcs11 import blob
from reconciler_pkcs11.cryptoki import codes
from reconciler_pkcs11.cryptoki.codes import CkError
from reconciler_pkcs11.cryptoki.constants import Attribute, KeyType
from reconciler_pkcs11.cryptoki.session import Session
from reconciler_pkcs11.token import cbc_hmac, gcm, key_objects, kwp
from reconciler_pkcs11.token.findings import Finding, NotAuthentic, key_duplicate
from reconciler_pkcs11.token.key_objects import Use
from reconciler_pkcs11.token.opened import Opened


class Suite(Protocol):
    """What the module of a suite has. ``uses`` are the attributes that its key has. ``bound`` is what the blob stands
    for beside its body."""

    @property
    def name(self) -> str:
        """As ``reconciler.providers.hsm.Suite`` spells it."""

    @property
    def uses(self) -> tuple[int, ...]:
        """Attributes of the key that are true."""

    def is_offered(self, opened: Opened) -> bool:
        """Whether the token says that it does it."""

    def wrap(self, use: Use, data: bytes, bound: bytes) -> bytes:
        """The body of a blob. CkError, Finding."""

    def unwrap(self, use: Use, body: bytes, bound: bytes) -> bytes:
        """What ``wrap`` was given. NotAuthentic, CkError, Finding."""


SUITES: Final[tuple[Suite, ...]] = (gcm, kwp, cbc_hmac)
_BY_NAME: Final = {suite.name: suite for suite in SUITES}

# How tokens say that a ciphertext is not what was made. The second are also said by a token that is ill.
SAY_DAMAGED: Final = {
    codes.DATA_INVALID,
    codes.DATA_LEN_RANGE,
    codes.ENCRYPTED_DATA_INVALID,
    codes.ENCRYPTED_DATA_LEN_RANGE,
    codes.SIGNATURE_INVALID,
    codes.WRAPPED_KEY_INVALID,
    codes.WRAPPED_KEY_LEN_RANGE,
}
MAY_SAY_DAMAGED: Final = {codes.GENERAL_ERROR, codes.FUNCTION_FAILED, codes.ARGUMENTS_BAD, codes.BUFFER_TOO_SMALL}
_OPENING: Final = {"C_Decrypt", "C_UnwrapKey"}


def generate(opened: Opened, key_id: str, label: str, suite: str, *, modifiable: bool) -> None:
    """A new key for that suite. The second key is made first, so that a key that is there is whole; one that a crash
    left without its first is taken up."""
    with opened.session(read_write=True) as session:
        if suite == cbc_hmac.name:
            mac, mac_label = cbc_hmac.mac_id(key_id), cbc_hmac.MAC_LABEL + key_id
            if session.find({Attribute.ID: bytes.fromhex(key_id)}, most=1):
                raise key_duplicate(key_id)
            known = key_objects.listed(session, {Attribute.ID: bytes.fromhex(mac)})
            if [each.label for _, each in known if not each.weakened] != [mac_label]:
                kind = KeyType.GENERIC_SECRET
                key_objects.make(session, mac, mac_label, key_objects.SIGNING, modifiable=False, kind=kind)
        key_objects.make(session, key_id, label, _BY_NAME[suite].uses, modifiable=modifiable)


def wrap(opened: Opened, key_id: str, suite: str, data: bytes, aad: bytes) -> bytes:
    """``data`` under the key of that id, as a blob."""
    header = blob.header(suite, key_id)
    with opened.session() as session:
        return header + _BY_NAME[suite].wrap(_use(opened, session, key_id, suite), data, header + aad)


def unwrap(opened: Opened, sealed: bytes, aad: bytes) -> bytes:
    """What ``wrap`` was given. NotAuthentic for another context or byte. Where the token's answer might as well mean
    that it is ill, it is asked once more, and then a round trip under the same key tells: if that works, the blob was
    wrong."""
    try:
        read = blob.read(sealed)
    except blob.NoBlob:
        raise NotAuthentic from None
    try:
        return _unwrap(opened, read, aad)
    except _Ambiguous:
        try:
            return _unwrap(opened, read, aad)
        except _Ambiguous as again:
            if not _works(opened, read):
                raise again.error from None
            raise NotAuthentic from None


class _Ambiguous(Exception):
    """What a token says to a damaged ciphertext, and also when it is ill."""

    def __init__(self, error: CkError) -> None:
        super().__init__(str(error))
        self.error = error


def _unwrap(opened: Opened, read: blob.Blob, aad: bytes) -> bytes:
    try:
        with opened.session() as session:
            use = _use(opened, session, read.key_id, read.suite)
            return _BY_NAME[read.suite].unwrap(use, read.body, read.header + aad)
    except CkError as error:
        if error.function in _OPENING and error.rv in SAY_DAMAGED:
            raise NotAuthentic from None
        if error.function in _OPENING and error.rv in MAY_SAY_DAMAGED:
            raise _Ambiguous(error) from None
        raise


def _use(opened: Opened, session: Session, key_id: str, suite: str) -> Use:
    key = key_objects.find_one(opened, session, key_id)
    if suite != cbc_hmac.name:
        return Use(opened, session, key)
    return Use(opened, session, key, key_objects.find_one(opened, session, cbc_hmac.mac_id(key_id)))


def _works(opened: Opened, read: blob.Blob) -> bool:
    """Whether the key that the blob names opens what it wraps now."""
    try:
        with opened.session() as session:
            return round_trip(_BY_NAME[read.suite], _use(opened, session, read.key_id, read.suite))
    except (CkError, Finding, NotAuthentic):
        return False


def round_trip(suite: Suite, use: Use) -> bool:
    """Whether a key opens what it wraps, and does not leave it as it is."""
    data = use.session.random(key_objects.KEY_BYTES)
    body = suite.wrap(use, data, b"round trip")
    return data not in body and suite.unwrap(use, body, b"round trip") == data
