"""Describing ``Key``s: their rows, and the state that their labels in the token say."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from reconciler.access.caller import Caller
from reconciler.errors import DamagedStore, HostError, HsmError, LockHeld
from reconciler.providers.keys import KeyDescription, KeyState
from reconciler_pkcs11 import rows
from reconciler_pkcs11.keys.finding import describe_key, find_key, is_label, partition_of, versions_of
from reconciler_pkcs11.names import DISABLED, ENABLED, is_enabled
from reconciler_pkcs11.partition import TokenKey
from reconciler_pkcs11.requests import check_account
from reconciler_pkcs11.rows import KeyRow, VersionRow
from reconciler_pkcs11.site import Site

_STATES: Final = {ENABLED: KeyState.ENABLED, DISABLED: KeyState.DISABLED}


def describe_keys(site: Site, caller: Caller, key_ids: Sequence[str]) -> dict[str, KeyDescription]:
    """See ``KeyProvider.describe_keys``: each partition is asked once. A key whose partition cannot be asked is as
    it was last seen; one that its partition does not have is Unavailable."""
    check_account(site, caller, "kms:DescribeKey")
    found = {name: row for name in key_ids if not name.startswith("alias/") and (row := find_key(site, name))}
    described = _described(site, list({row.key_id: row for row in found.values()}.values()))
    return {name: described[row.key_id] for name, row in found.items()}


def list_keys(site: Site, caller: Caller) -> list[KeyDescription]:
    """See ``KeyProvider.list_keys``."""
    check_account(site, caller, "kms:ListKeys")
    with site.store.read() as connection:
        if connection is None:
            return []
        found = [KeyRow._make(row) for row in connection.execute(f"{rows.KEY} WHERE ready ORDER BY key_id")]
    described = _described(site, [row for row in found if not row.is_gone(site.now())])
    return [described[key_id] for key_id in sorted(described)]


def find_by_token(site: Site, caller: Caller, token: str) -> KeyDescription | None:
    """See ``KeyProvider.find_key``."""
    check_account(site, caller, "kms:ListKeys")
    with site.store.read() as connection:
        found = connection and connection.execute(f"{rows.KEY} WHERE token = ? AND ready", (token,)).fetchone()
    row = KeyRow._make(found) if found else None
    if row is None or row.is_gone(site.now()):
        return None
    return _described(site, [row])[row.key_id]


def describe_one(site: Site, row: KeyRow) -> KeyDescription:
    """That key."""
    return _described(site, [row])[row.key_id]


def _described(site: Site, found: Sequence[KeyRow]) -> dict[str, KeyDescription]:
    there: dict[str, dict[str, TokenKey] | None] = {}
    described = {}
    for row in found:
        partition = partition_of(site, row)
        if row.partition not in there:
            try:
                with site.connections.use(partition) as opened:
                    there[row.partition] = {key.key_id: key for key in opened.list_keys()}
            except HsmError:  # a plan is made without the PIN, too
                there[row.partition] = None
        versions = versions_of(site, row)
        state = _state(row, versions, there[row.partition])
        _note(site, row, state)
        described[row.key_id] = describe_key(site, row, versions, state, partition.name)
    return described


def _state(row: KeyRow, versions: Sequence[VersionRow], there: dict[str, TokenKey] | None) -> KeyState:
    if row.switching == DISABLED:
        return KeyState.DISABLED
    if there is None:
        return _STATES[row.seen]
    objects = [there.get(version.object_id) for version in versions]
    labels = [
        each.label
        for each, version in zip(objects, versions, strict=True)
        if each is not None and is_label(each, version)
    ]
    if len(labels) < len(versions):
        return KeyState.UNAVAILABLE
    return KeyState.ENABLED if all(is_enabled(label) for label in labels) else KeyState.DISABLED


def _note(site: Site, row: KeyRow, state: KeyState) -> None:
    """Keep what the labels say, as far as it can be: by whoever may only look, or was overtaken, it is seen all the
    same (DESIGN 4)."""
    said = next((word for word, known in _STATES.items() if known is state), row.seen)
    if said != row.seen and row.switching is None:
        with suppress(HostError, LockHeld, DamagedStore), site.write() as connection:
            connection.execute("UPDATE key SET seen = ? WHERE key_id = ?", (said, row.key_id))
