"""The end of a ``Key``: a waiting time in which nothing uses it, then its objects are removed from the token (KM1).

Whether anything is still under it is the core's census, asked before a deletion is scheduled; a key store that it seals
is looked for here as well (``sealing``). A key that is pending deletion wraps nothing, so nothing new comes to depend
on it while it waits.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime

from reconciler.access.caller import Caller
from reconciler.errors import ConflictException, HostError, HsmError, UsageError
from reconciler.model.due_work import DueWork
from reconciler_pkcs11 import rows
from reconciler_pkcs11.judging import require_marker
from reconciler_pkcs11.keys.finding import is_label, partition_of, require_key
from reconciler_pkcs11.keys.limits import check_waiting_days
from reconciler_pkcs11.keys.sealing import stores_under
from reconciler_pkcs11.keys.switching import switch
from reconciler_pkcs11.names import ENABLED, is_enabled, version_label
from reconciler_pkcs11.partition import Partition
from reconciler_pkcs11.requests import asked
from reconciler_pkcs11.rows import KeyRow, VersionRow
from reconciler_pkcs11.site import Site
from reconciler_pkcs11.times import DAY, microseconds, moment


def schedule_deletion(site: Site, caller: Caller, key_id: str, waiting_days: int) -> datetime:
    """See ``KeyProvider.schedule_key_deletion``. It is disabled in the token as well, so that no other host uses it."""
    parameters = {"keyId": key_id, "pendingWindowInDays": waiting_days}
    with asked(site, caller, "ScheduleKeyDeletion", parameters) as asking:
        row = require_key(site, key_id)
        asking.key_arns.append(site.names.key_arn(row.key_id))
        check_waiting_days(waiting_days)
        if row.deletion_at is not None:
            return moment(row.deletion_at)
        held = stores_under(site, row.key_id)
        if held:
            raise ConflictException(
                f"{site.names.key_arn(row.key_id)} seals the key store {held[0]}: without it nothing in there opens",
                suggestion="Seal that store otherwise first: config.seal of its Provider, and `reconciler keystore "
                "reseal`.",
            )
        switch(site, row, enabled=False)
        due = site.now() + waiting_days * DAY
        with site.write() as connection:
            connection.execute("UPDATE key SET deletion_at = ? WHERE key_id = ?", (due, row.key_id))
            asking.record(connection)
        return moment(due)


def cancel_deletion(site: Site, caller: Caller, key_id: str) -> None:
    """See ``KeyProvider.cancel_key_deletion``."""
    with asked(site, caller, "CancelKeyDeletion", {"keyId": key_id}) as asking, site.write() as connection:
        row = require_key(site, key_id)
        asking.key_arns.append(site.names.key_arn(row.key_id))
        connection.execute("UPDATE key SET deletion_at = NULL WHERE key_id = ?", (row.key_id,))
        asking.record(connection)


def destroy_due(site: Site) -> list[str]:
    """Remove the objects of every key whose waiting time is over; their ARNs. Where the partition cannot be asked the
    key waits for the next time, as it does while a key store needs it: it has no use already."""
    gone = []
    for row in _due(site, site.now()):
        with suppress(HsmError, HostError, UsageError):
            if _destroy(site, row):
                gone.append(site.names.key_arn(row.key_id))
    return gone


def due_to_go(site: Site, at: datetime) -> list[DueWork]:
    """See ``ListsDueWork.due_work``: the keys that ``destroy_due`` removes then, as far as their tokens let it."""
    return [
        DueWork(
            what=f"Key {site.names.key_arn(row.key_id)} is destroyed in its token: its waiting time is over.",
            kind="key",
            name=site.names.key_arn(row.key_id),
            since=None if row.deletion_at is None else moment(row.deletion_at),
            removes_data=True,
        )
        for row in _due(site, microseconds(at))
    ]


def _due(site: Site, at: int) -> Iterator[KeyRow]:
    """Those whose waiting time is over by then, but for one that a key store still needs: it may have been put back."""
    with site.store.read() as connection:
        if connection is None:
            return
        due = connection.execute(
            f"{rows.KEY} WHERE deletion_at <= ? AND destroyed_at IS NULL ORDER BY key_id", (at,)
        ).fetchall()
    for row in map(KeyRow._make, due):
        try:
            is_needed = bool(stores_under(site, row.key_id))
        except HostError:
            continue  # nobody can say: it waits
        if not is_needed:
            yield row


def _destroy(site: Site, row: KeyRow) -> bool:
    """Remove its objects; whether they went. One that its token says is enabled was taken back after this record was
    made, by another host or in a newer copy of this home: it is pending deletion no more."""
    with site.write() as connection:  # whoever was overtaken is refused before the token is touched
        connection.execute("UPDATE key SET switching = 'disabled' WHERE key_id = ?", (row.key_id,))
        versions = rows.versions(connection, row.key_id)
    partition = partition_of(site, row)
    with site.connections.use(partition) as opened:
        require_marker(opened, partition)
        if any(_is_enabled(opened, version) for version in versions if version.ready):
            _take_back(site, row)
            return False
        for version in versions:
            for enabled in (True, False):
                opened.destroy(version.object_id, version_label(row.key_id, version.number, enabled=enabled))
    with site.write() as connection:
        connection.execute("UPDATE key SET destroyed_at = ? WHERE key_id = ?", (site.now(), row.key_id))
        connection.execute("UPDATE key_version SET canary = NULL WHERE key_id = ?", (row.key_id,))
        site.log.append(connection, site.now(), "DeleteKey", key_arns=[site.names.key_arn(row.key_id)])
    return True


def _is_enabled(opened: Partition, version: VersionRow) -> bool:
    return any(is_label(each, version) and is_enabled(each.label) for each in opened.find_keys(version.object_id))


def _take_back(site: Site, row: KeyRow) -> None:
    with site.write() as connection:
        connection.execute(
            "UPDATE key SET deletion_at = NULL, switching = NULL, seen = ? WHERE key_id = ?", (ENABLED, row.key_id)
        )
        why = {"reason": "the label in the token says that it is enabled"}
        arns = [site.names.key_arn(row.key_id)]
        site.log.append(connection, site.now(), "CancelKeyDeletion", key_arns=arns, parameters=why)
