"""Key objects of ours in the token: finding, listing, making, renaming and removing them.

Ours are secret keys whose label begins with ``reconciler/``; nothing else is ever changed or removed. Handles live as
long as one operation. Strangers' labels may be anything, and a token may hold half an object after a crash: whatever
cannot be read is passed over.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from reconciler_pkcs11.cryptoki.codes import CkError
from reconciler_pkcs11.cryptoki.constants import Attribute, KeyType, ObjectClass
from reconciler_pkcs11.cryptoki.constants import Mechanism as Ckm
from reconciler_pkcs11.cryptoki.mechanisms import Prepared
from reconciler_pkcs11.cryptoki.session import Session
from reconciler_pkcs11.cryptoki.structures import Template
from reconciler_pkcs11.token.findings import Finding, key_duplicate, key_missing
from reconciler_pkcs11.token.opened import Opened

OURS: Final = b"reconciler/"
KEY_BYTES: Final = 32
_ID_BYTES: Final = 16
_MOST_LABEL: Final = 251
ENCRYPTING: Final = (Attribute.ENCRYPT, Attribute.DECRYPT)
WRAPPING: Final = (Attribute.WRAP, Attribute.UNWRAP)
SIGNING: Final = (Attribute.SIGN,)
_USES: Final = {
    Attribute.ENCRYPT: "ENCRYPT",
    Attribute.DECRYPT: "DECRYPT",
    Attribute.WRAP: "WRAP",
    Attribute.UNWRAP: "UNWRAP",
    Attribute.SIGN: "SIGN",
    Attribute.VERIFY: "VERIFY",
    Attribute.DERIVE: "DERIVE",
}
_KEPT_IN: Final = {Attribute.SENSITIVE: ("SENSITIVE", True), Attribute.EXTRACTABLE: ("EXTRACTABLE", False)}


@dataclass(frozen=True, slots=True)
class Listed:
    """A key of ours: id in hex, label, and the names of attributes that are not as we make them."""

    key_id: str
    label: str
    weakened: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Use:
    """A key in one session: the handles of it and of its suite's second key, None where the suite has none."""

    opened: Opened
    session: Session
    key: int
    mac: int | None = None


def of_id(key_id: str) -> Template:
    """What finds a key of ours by its id."""
    return {Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.ID: bytes.fromhex(key_id)}


def find_one(opened: Opened, session: Session, key_id: str) -> int:
    """The one secret key of that id. Finding (key-missing, key-duplicate), or CkError when the token has gone."""
    found = session.find(of_id(key_id), most=2)
    if len(found) == 1:
        return found[0]
    if found:
        raise key_duplicate(key_id)
    opened.must_be_there()
    raise key_missing(key_id)


def new_key(uses: tuple[int, ...], more: Template, kind: int = KeyType.AES) -> Template:
    """A 256-bit key that stays in the token and may do ``uses`` and nothing else: a key that wraps and decrypts would
    take any other out in clear."""
    return {
        Attribute.CLASS: ObjectClass.SECRET_KEY,
        Attribute.KEY_TYPE: kind,
        Attribute.VALUE_LEN: KEY_BYTES,
        Attribute.PRIVATE: True,
        Attribute.SENSITIVE: True,
        Attribute.EXTRACTABLE: False,
        **{use: use in uses for use in _USES},
        **more,
    }


def session_key(session: Session, uses: tuple[int, ...], kind: int = KeyType.AES) -> int:
    """A throw-away key that ends with the session."""
    mechanism = Ckm.AES_KEY_GEN if kind == KeyType.AES else Ckm.GENERIC_SECRET_KEY_GEN
    return session.generate(Prepared(mechanism), new_key(uses, {Attribute.TOKEN: False}, kind))


def make(
    session: Session,
    key_id: str,
    label: str,
    uses: tuple[int, ...],
    *,
    modifiable: bool,
    kind: int = KeyType.AES,
) -> None:
    """A new token key under an id that nothing has yet: some tokens let a second key of one id replace the first, and
    what that had wrapped is lost. Finding (key-duplicate); key-weakened for a token that makes another key than it was
    asked for, which is then removed."""
    if session.find({Attribute.ID: bytes.fromhex(key_id)}, most=1):
        raise key_duplicate(key_id)
    mechanism = Ckm.AES_KEY_GEN if kind == KeyType.AES else Ckm.GENERIC_SECRET_KEY_GEN
    named: Template = {
        Attribute.TOKEN: True,
        Attribute.MODIFIABLE: modifiable,
        Attribute.ID: bytes.fromhex(key_id),
        Attribute.LABEL: label.encode(),
    }
    made = session.generate(Prepared(mechanism), new_key(uses, named, kind))
    if weakened := _weakened(session, made, uses):
        session.destroy(made)
        raise Finding("key-weakened", f"the token made a key with another {', '.join(weakened)} than it was asked for")


def listed(session: Session, template: Template) -> list[tuple[int, Listed]]:
    """Those secret keys of ours that fit ``template``, with their handles, by label and id."""
    found = []
    for handle in session.find({Attribute.CLASS: ObjectClass.SECRET_KEY, **template}):
        label, key_id = session.read(handle, Attribute.LABEL), session.read(handle, Attribute.ID)
        if isinstance(label, CkError) or isinstance(key_id, CkError) or not label.startswith(OURS):
            continue
        if len(key_id) != _ID_BYTES or len(label) > _MOST_LABEL:
            continue  # of no id or label that we give: the link has no form for such
        is_wrapping = _flag(session, handle, Attribute.WRAP) or _flag(session, handle, Attribute.UNWRAP)
        is_signing = session.read(handle, Attribute.KEY_TYPE) == struct.pack("L", KeyType.GENERIC_SECRET)
        uses = SIGNING if is_signing else WRAPPING if is_wrapping else ENCRYPTING
        weakened = _weakened(session, handle, uses)
        found.append((handle, Listed(key_id.hex(), label.decode("utf-8", "replace"), weakened)))
    return sorted(found, key=lambda each: (each[1].label, each[1].key_id))


def shows_any(session: Session) -> bool:
    """Whether the token shows any secret key at all, ours or a stranger's."""
    return bool(session.find({Attribute.CLASS: ObjectClass.SECRET_KEY}, most=1))


def _weakened(session: Session, handle: int, uses: tuple[int, ...]) -> tuple[str, ...]:
    """Attributes with another value than ``new_key`` gives; what the token does not tell is not held against it."""
    wanted = {**_KEPT_IN, **{use: (name, use in uses) for use, name in _USES.items()}}
    return tuple(
        name for attribute, (name, value) in wanted.items() if _flag(session, handle, attribute) not in (value, None)
    )


def _flag(session: Session, handle: int, attribute: int) -> bool | None:
    """A truth value; None when the token does not tell."""
    read = session.read(handle, attribute)
    return None if isinstance(read, CkError) or len(read) != 1 else read != b"\0"


def relabel(session: Session, key_id: str, label: str) -> None:
    """Another label for the one key of ours that has this id. Finding (key-missing, key-duplicate)."""
    found = listed(session, {Attribute.ID: bytes.fromhex(key_id)})
    if len(found) != 1:
        raise key_duplicate(key_id) if found else key_missing(key_id)
    handle, now = found[0]
    if now.label != label:
        session.set(handle, {Attribute.LABEL: label.encode()})


def destroy(session: Session, key_id: str, label: str) -> None:
    """Remove every key of ours that has this id and label."""
    for handle, each in listed(session, {Attribute.ID: bytes.fromhex(key_id), Attribute.LABEL: label.encode()}):
        if each.label == label:
            session.destroy(handle)
