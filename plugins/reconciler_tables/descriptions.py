"""What the service says of itself from its two stores alone: no key service is asked, nothing is made (DESIGN 4)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from reconciler.errors import DamagedStore
from reconciler.providers.data import KeyUse
from reconciler.providers.tables import KeyspaceDescription, TableDescription
from reconciler_tables import catalogue, keyring, table_schema
from reconciler_tables.catalogue import KeyspaceRecord, TableRecord
from reconciler_tables.keyring import Wrap
from reconciler_tables.names import keyspace_arn
from reconciler_tables.site import Site

# Catalogue and key ring are two files: what another process drops in between is gone from both at the next look.
_LOOKS: Final = 3


def keyspaces(site: Site, names: Collection[str] | None) -> list[KeyspaceDescription]:
    """Keyspaces by name."""
    with site.catalogue.read() as reading:
        found = [] if reading is None else catalogue.all_keyspaces(reading, names)
    return [keyspace(site, record) for record in found]


def keyspace(site: Site, record: KeyspaceRecord) -> KeyspaceDescription:
    """One keyspace."""
    return KeyspaceDescription(
        name=record.name,
        arn=keyspace_arn(site.region, site.account, record.name),
        replication=record.replication,
    )


def tables(site: Site, names: Collection[tuple[str, str]] | None) -> list[TableDescription]:
    """Tables by keyspace and name. One whose creation never ended is not a table yet. DamagedStore when the key of a
    table is not in the key ring: it is never left out instead."""
    lost: list[TableRecord] = []
    for _ in range(_LOOKS):
        with site.catalogue.read() as reading:
            found = [] if reading is None else catalogue.all_tables(reading, names)
        with site.keyring.read() as ring:
            if ring is None:
                wraps = []
            elif names is None:
                wraps = keyring.all_wraps(ring)
            else:
                wraps = [wrap for record in found for wrap in keyring.wraps_of(ring, record.uid)]
        live = {wrap.table_uid: wrap for wrap in wraps if wrap.stage == keyring.LIVE}
        lost = [one for one in found if one.status == catalogue.ACTIVE and one.uid not in live]
        if lost:
            continue
        # Staged: not yet under its new key. Retiring: the old key's grant still stands. Both are ended by repeating.
        updating = {wrap.table_uid for wrap in wraps if wrap.stage != keyring.LIVE}
        return [
            _table(site, record, live[record.uid], is_updating=record.uid in updating)
            for record in found
            if record.status != catalogue.CREATING and record.uid in live
        ]
    raise DamagedStore(
        f"The key ring at {site.keyring.path} lacks the key of table {lost[0].name}",
        suggestion="It is left as it is. Put back a copy of keyring.db and tables.db from one backup.",
    )


def table_of_token(site: Site, token: str) -> TableDescription | None:
    """The table that was made for that token, None while its creation has not ended."""
    with site.catalogue.read() as reading:
        found = None if reading is None else catalogue.table_of_token(reading, token)
    if found is None:
        return None
    described = tables(site, [(found.name.keyspace, found.name.table)])
    return described[0] if described and described[0].uid == found.uid else None


def key_uses(site: Site) -> list[KeyUse]:
    """Every wrap in the key ring whose table was not dropped: half-made ones, both sides of a change, and those of a
    table that the catalogue does not know, which may come back from a copy of it (I3)."""
    with site.keyring.read() as ring:
        wraps = [] if ring is None else keyring.all_wraps(ring)
    with site.catalogue.read() as reading:
        sizes = {} if reading is None else {record.uid: record.bytes for record in catalogue.all_tables(reading)}
        dropped = set() if reading is None else catalogue.dropped_tables(reading)
    uses = {
        (wrap.key_arn, wrap.table_uid): KeyUse(
            key_arn=wrap.key_arn,
            what="table",
            name=str(wrap.name),
            arn=site.arn(wrap.name),
            bytes=sizes.get(wrap.table_uid, 0),
        )
        for wrap in wraps
        if wrap.table_uid not in dropped
    }
    return sorted(uses.values(), key=lambda use: (use.name, use.key_arn))


def _table(site: Site, record: TableRecord, live: Wrap, *, is_updating: bool) -> TableDescription:
    is_changing = is_updating and record.status == catalogue.ACTIVE
    return TableDescription(
        keyspace=record.name.keyspace,
        name=record.name.table,
        arn=site.arn(record.name),
        uid=record.uid,
        status=catalogue.UPDATING if is_changing else record.status,
        schema=table_schema.from_json(record.schema),
        key_arn=live.customer_key,
        table_key_id=live.table_key_id,
        grant_id=live.grant_id,
        rows=record.rows,
        bytes=record.bytes,
        created_at=record.created_at,
    )
