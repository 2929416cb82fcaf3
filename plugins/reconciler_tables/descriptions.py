"""What the service says of itself from its two stores alone: no key service is asked, nothing is made (DESIGN 4)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from reconciler.providers.tables import INACCESSIBLE, KeyspaceDescription, TableDescription
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
    """Tables by keyspace and name. One whose creation never ended is not a table yet. One whose key is not in the key
    ring is never left out, nor called another's: it is INACCESSIBLE, and the others are described all the same."""
    live: dict[str, Wrap] = {}
    found: list[TableRecord] = []
    updating: set[str] = set()
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
        # Staged: not yet under its new key. Retiring: the old key's grant still stands. Both are ended by repeating.
        updating = {wrap.table_uid for wrap in wraps if wrap.stage != keyring.LIVE}
        if all(one.uid in live for one in found if one.status == catalogue.ACTIVE):
            break
    return [
        _table(site, record, live.get(record.uid), is_updating=record.uid in updating)
        for record in found
        if record.status == catalogue.ACTIVE or (record.status != catalogue.CREATING and record.uid in live)
    ]


def table_of_token(site: Site, token: str) -> TableDescription | None:
    """The table that was made for that token, None while its creation has not ended."""
    with site.catalogue.read() as reading:
        found = None if reading is None else catalogue.table_of_token(reading, token)
    if found is None:
        return None
    described = tables(site, [(found.name.keyspace, found.name.table)])
    return described[0] if described and described[0].uid == found.uid else None


def _table(site: Site, record: TableRecord, live: Wrap | None, *, is_updating: bool) -> TableDescription:
    is_changing = is_updating and record.status == catalogue.ACTIVE
    status = INACCESSIBLE if live is None else catalogue.UPDATING if is_changing else record.status
    return TableDescription(
        keyspace=record.name.keyspace,
        name=record.name.table,
        arn=site.arn(record.name),
        uid=record.uid,
        status=status,
        schema=table_schema.from_json(record.schema),
        key_arn=record.key_arn if live is None else live.customer_key,
        table_key_id="" if live is None else live.table_key_id,
        grant_id=None if live is None else live.grant_id,
        rows=record.rows,
        bytes=record.bytes,
        created_at=record.created_at,
    )
