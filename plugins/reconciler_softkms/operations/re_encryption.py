"""ReEncrypt (KM5): a ciphertext under another key, context or algorithm; the plaintext stays inside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from reconciler.access.caller import Caller
from reconciler_softkms.door import Door
from reconciler_softkms.operations.ciphertexts import (
    Encrypted,
    KeyElsewhere,
    Under,
    check_kind,
    holding,
    key_of,
    opened,
    sealed,
)
from reconciler_softkms.operations.using import permit, require, shown
from reconciler_softkms.request import Request
from reconciler_softkms.rows import KeyRow
from reconciler_softkms.specs import ENCRYPT_DECRYPT

_NAME: Final = "ReEncrypt"
_ON_SAME_KEY: Final = "kms:reencryptonsamekey"
_FROM: Final = "kms:ReEncryptFrom"
_TO: Final = "kms:ReEncryptTo"


@dataclass(frozen=True, slots=True)
class ReEncrypted:
    """The new ciphertext, and what the old one was opened with (``source_material_id`` as in ``Encrypted``)."""

    encrypted: Encrypted
    source_key_arn: str
    source_material_id: str


@dataclass(frozen=True, slots=True)
class _Wanted:
    caller: Caller
    ciphertext: bytes | None
    source: Under
    target: Under
    parameters: Mapping[str, Any]


def re_encrypt(door: Door, caller: Caller, ciphertext: bytes | None, source: Under, target: Under) -> ReEncrypted:
    """See ``KeyProvider.re_encrypt``; one record that names both keys, or one in each account that has one of them.
    ``target.key_id`` is not None. Without a ciphertext, only whether the caller may is tried (``Caller.dry_run``)."""
    wanted = _Wanted(caller, ciphertext, source, target, _shown(caller, source, target))
    try:
        here = door if source.key_id is None else door.siblings.holding(door, source.key_id)
        return _begin(door, here, wanted, is_last=False)
    except KeyElsewhere:
        return _begin(door, holding(door, ciphertext), wanted, is_last=True)


def _begin(door: Door, here: Door, wanted: _Wanted, *, is_last: bool) -> ReEncrypted:
    there = door.siblings.holding(door, wanted.target.key_id or "")
    if here is not there:
        return _across(here, there, wanted, is_last=is_last)
    source, target = wanted.source, wanted.target
    with here.use(wanted.caller, _NAME, wanted.parameters) as asked:
        source.check()
        target.check()
        target_row = asked.key(target.key_id or "", by_alias=True)
        source_row = key_of(asked, wanted.ciphertext, source, is_last=is_last)
        is_same = source_row.key_id == target_row.key_id
        _admit(asked, source_row, source, _FROM, is_same=is_same, opening=wanted.ciphertext)
        _admit(asked, target_row, target, _TO, is_same=is_same)
        plaintext, material_id = opened(asked, source_row, wanted.ciphertext, source)
        made = sealed(asked, target_row, plaintext, target)
        return ReEncrypted(made, here.names.key_arn(source_row.key_id), material_id)


def _across(here: Door, there: Door, wanted: _Wanted, *, is_last: bool) -> ReEncrypted:
    """From the key of one account to that of another. Never behind both doors at once, so that no two wait for each
    other: it is decided there whether to begin, opened here, and decided once more where it is sealed."""
    source, target = wanted.source, wanted.target
    decided = replace(wanted.caller, dry_run=False)  # a trial ends here, and only if both sides would succeed
    with there.use(decided, _NAME, wanted.parameters, is_first_half=True) as asked:
        target.check()
        _admit(asked, asked.key(target.key_id or "", by_alias=True), target, _TO, is_same=False)
    with here.use(wanted.caller, _NAME, wanted.parameters) as asked:
        source.check()
        row = key_of(asked, wanted.ciphertext, source, is_last=is_last)
        _admit(asked, row, source, _FROM, is_same=False, opening=wanted.ciphertext)
        plaintext, material_id = opened(asked, row, wanted.ciphertext, source)
        source_arn = here.names.key_arn(row.key_id)
    with there.use(wanted.caller, _NAME, wanted.parameters) as asked:
        row = asked.key(target.key_id or "", by_alias=True)
        _admit(asked, row, target, _TO, is_same=False)
        return ReEncrypted(sealed(asked, row, plaintext, target), source_arn, material_id)


def _admit(
    asked: Request, row: KeyRow, under: Under, action: str, *, is_same: bool, opening: bytes | None = None
) -> None:
    attributes = {**under.attributes, _ON_SAME_KEY: ("true" if is_same else "false",)}
    permit(asked, row, under.key_id, action, attributes=attributes, context=under.context)
    check_kind(asked, row, opening, under)
    require(asked, row, ENCRYPT_DECRYPT, under.algorithm)


def _shown(caller: Caller, source: Under, target: Under) -> Mapping[str, Any]:
    parameters = shown(
        caller,
        {},
        sourceKeyId=source.key_id,
        destinationKeyId=target.key_id,
        sourceEncryptionAlgorithm=source.algorithm,
        destinationEncryptionAlgorithm=target.algorithm,
    )
    contexts = {"sourceEncryptionContext": source.context, "destinationEncryptionContext": target.context}
    return parameters | {name: dict(context) for name, context in contexts.items() if context}
