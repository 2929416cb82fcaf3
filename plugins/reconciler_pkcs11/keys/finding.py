"""A ``Key`` by what it is called, and the state that it is in (reference, "Key states")."""

from __future__ import annotations

import json
import re
from typing import Final

from reconciler.errors import (
    DamagedStore,
    DisabledException,
    HsmError,
    HsmFault,
    InvalidArnException,
    KMSInvalidStateException,
    NotFoundException,
)
from reconciler.providers.keys import KeyDescription, KeyState
from reconciler_pkcs11 import rows
from reconciler_pkcs11.names import DISABLED, is_enabled, version_label
from reconciler_pkcs11.partition import Partition, TokenKey
from reconciler_pkcs11.rows import KeyRow, PartitionRow, VersionRow
from reconciler_pkcs11.site import Site
from reconciler_pkcs11.times import moment

_ARN: Final = re.compile(r"arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:(key|alias)/.+")


def id_of(site: Site, name: str) -> str:
    """The id in an id or ARN; "" for what can be no key of this provider. InvalidArnException for another service's."""
    if not name.startswith("arn:"):
        return name
    if not _ARN.fullmatch(name):
        raise InvalidArnException(f"Invalid arn {name}")
    prefix = site.names.key_arn("")
    return name.removeprefix(prefix) if name.startswith(prefix) else ""


def find_key(site: Site, name: str) -> KeyRow | None:
    """The key of that id or ARN, unless it is gone."""
    with site.store.read() as connection:
        found = rows.key_by_id(connection, id_of(site, name))
    return None if found is None or not found.ready or found.is_gone(site.now()) else found


def find_named(site: Site, name: str) -> KeyRow | None:
    """As ``find_key``; else the one key that has the tag ``Name`` with that value."""
    found = find_key(site, name)
    if found is not None or name.startswith("arn:"):
        return found
    with site.store.read() as connection:
        if connection is None:
            return None
        named = [
            row
            for row in map(KeyRow._make, connection.execute(f"{rows.KEY} WHERE ready ORDER BY key_id"))
            if not row.is_gone(site.now()) and json.loads(row.tags).get("Name") == name
        ]
    return named[0] if len(named) == 1 else None


def require_key(site: Site, name: str, *, by_name: bool = False) -> KeyRow:
    """NotFoundException."""
    found = find_named(site, name) if by_name else find_key(site, name)
    if found is None:
        arn = name if name.startswith("arn:") else site.names.key_arn(name)
        raise NotFoundException(f"Key '{arn}' does not exist")
    return found


def require_not_pending(site: Site, row: KeyRow) -> None:
    """KMSInvalidStateException while it waits for its deletion."""
    if row.deletion_at is not None:
        raise KMSInvalidStateException(
            f"{site.names.key_arn(row.key_id)} is pending deletion.",
            suggestion="Cancel the deletion of the key, then try again.",
        )


def require_enabled(site: Site, row: KeyRow, opened: Partition, version: VersionRow) -> None:
    """What every use of the key begins with: the label of the version says whether it is enabled, whichever host wrote
    it. DisabledException; HsmError (KEY_MISSING, KEY_DUPLICATE, KEY_SUBSTITUTED)."""
    if row.switching == DISABLED:
        raise disabled(site, row)
    found = opened.find_keys(version.object_id)
    if len(found) != 1:
        fault = HsmFault.KEY_DUPLICATE if found else HsmFault.KEY_MISSING
        raise HsmError(f"The partition has {len(found)} objects of id {version.object_id}", fault=fault)
    if not is_label(found[0], version):
        raise HsmError(
            f"The object {version.object_id} in the partition is labelled {found[0].label}, which is no label of "
            f"{site.names.key_arn(row.key_id)}",
            fault=HsmFault.KEY_SUBSTITUTED,
            suggestion="Look who changed it at the HSM. Nothing was done with it.",
        )
    if not is_enabled(found[0].label):
        raise disabled(site, row)


def is_label(found: TokenKey, version: VersionRow) -> bool:
    """Whether that object is labelled as that version is, enabled or not."""
    return found.label in [version_label(version.key_id, version.number, enabled=each) for each in (True, False)]


def disabled(site: Site, row: KeyRow) -> DisabledException:
    """The refusal of a disabled key."""
    return DisabledException(
        f"{site.names.key_arn(row.key_id)} is disabled.", suggestion="Enable the key, then try again."
    )


def partition_of(site: Site, row: KeyRow) -> PartitionRow:
    """The partition that has the key."""
    with site.store.read() as connection:
        found = rows.partition_by_uid(connection, row.partition)
    if found is None:
        raise DamagedStore(f"The HSM store at {site.store.path} lost the partition of key {row.key_id}")
    return found


def versions_of(site: Site, row: KeyRow) -> list[VersionRow]:
    """The key's versions that are there, oldest first."""
    with site.store.read() as connection:
        return [] if connection is None else [each for each in rows.versions(connection, row.key_id) if each.ready]


def newest_of(row: KeyRow, versions: list[VersionRow]) -> VersionRow:
    """The version that new ciphertext is made under."""
    return next(each for each in versions if each.number == row.newest)


def describe_key(
    site: Site, row: KeyRow, versions: list[VersionRow], state: KeyState, partition: str
) -> KeyDescription:
    """The key as the service describes it."""
    newest = newest_of(row, versions)
    return KeyDescription(
        key_id=row.key_id,
        arn=site.names.key_arn(row.key_id),
        account=site.account,
        region=site.region,
        description=row.description,
        key_spec="SYMMETRIC_DEFAULT",
        key_usage="ENCRYPT_DECRYPT",
        state=KeyState.PENDING_DELETION if row.deletion_at is not None else state,
        multi_region=False,
        created_at=moment(row.created_at),
        material_id=newest.object_id,
        rotated_at=moment(newest.created_at),
        rotation_period_days=row.rotation_days,
        deletion_date=None if row.deletion_at is None else moment(row.deletion_at),
        tags=json.loads(row.tags),
        partition=partition,
    )
