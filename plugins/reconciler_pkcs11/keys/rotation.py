"""Rotation: a new object in the token, the old ones kept so that what they sealed still opens (KM10)."""

from __future__ import annotations

from reconciler.access.caller import Caller
from reconciler_pkcs11 import rows
from reconciler_pkcs11.keys.begun import give_up, settle_version
from reconciler_pkcs11.keys.creating import make_version, new_version, put_version
from reconciler_pkcs11.keys.finding import (
    newest_of,
    partition_of,
    require_enabled,
    require_key,
    require_not_pending,
    versions_of,
)
from reconciler_pkcs11.keys.limits import check_period
from reconciler_pkcs11.requests import asked
from reconciler_pkcs11.rows import KeyRow, VersionRow
from reconciler_pkcs11.site import Site
from reconciler_pkcs11.times import DAY


def rotate_key(site: Site, caller: Caller, key_id: str, token: str) -> str:
    """See ``RotatesKeys.rotate_key``: the id of the new version's object."""
    with asked(site, caller, "RotateKeyOnDemand", {"keyId": key_id}) as asking:
        row = require_key(site, key_id)
        asking.key_arns.append(site.names.key_arn(row.key_id))
        require_not_pending(site, row)
        version = _rotate(site, row, token)
        return version.object_id


def rotate_due(site: Site, row: KeyRow) -> KeyRow:
    """Rotate a key whose period is over, before new ciphertext is made under it; the key as it now stands. Looking and
    decrypting make nothing."""
    if row.rotation_at is None or row.rotation_at > site.now():
        return row
    _rotate(site, row, f"due {row.rotation_at}")
    return require_key(site, row.key_id)


def enable_rotation(site: Site, caller: Caller, key_id: str, period_days: int) -> None:
    """See ``RotatesKeys.enable_key_rotation``. The period counts from now; another period, from when the old began."""
    parameters = {"keyId": key_id, "rotationPeriodInDays": period_days}
    with asked(site, caller, "EnableKeyRotation", parameters) as asking:
        row = require_key(site, key_id)
        asking.key_arns.append(site.names.key_arn(row.key_id))
        require_not_pending(site, row)
        check_period(period_days)
        began = site.now()
        if row.rotation_at is not None and row.rotation_days is not None:
            began = row.rotation_at - row.rotation_days * DAY
        with site.write() as connection:
            connection.execute(
                "UPDATE key SET rotation_days = ?, rotation_at = ? WHERE key_id = ?",
                (period_days, began + period_days * DAY, row.key_id),
            )
            asking.record(connection)


def disable_rotation(site: Site, caller: Caller, key_id: str) -> None:
    """See ``RotatesKeys.disable_key_rotation``."""
    with asked(site, caller, "DisableKeyRotation", {"keyId": key_id}) as asking, site.write() as connection:
        row = require_key(site, key_id)
        asking.key_arns.append(site.names.key_arn(row.key_id))
        require_not_pending(site, row)
        connection.execute("UPDATE key SET rotation_days = NULL, rotation_at = NULL WHERE key_id = ?", (row.key_id,))
        asking.record(connection)


def _rotate(site: Site, row: KeyRow, token: str) -> VersionRow:
    partition = partition_of(site, row)
    with site.write() as connection:
        there = [each for each in rows.versions(connection, row.key_id) if each.token == token]
    if there and there[0].ready:
        return there[0]
    if there and there[0].going:
        give_up(site, there[0])
    with site.connections.use(partition) as opened:
        require_enabled(site, row, opened, newest_of(row, versions_of(site, row)))
    with site.write() as connection:
        known = rows.versions(connection, row.key_id)
        version = next((each for each in known if each.token == token), None)
        if version is None:
            version = new_version(site, row.key_id, known[-1].number + 1, partition, token)
            put_version(connection, version)
    proof = make_version(site, partition, version)
    settle_version(site, row, version, proof)
    return version
