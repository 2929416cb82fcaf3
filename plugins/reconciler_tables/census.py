"""What each key still opens, from what is durably stored and nothing else; asks no key (I3, G13)."""

from __future__ import annotations

from reconciler.providers.data import ANY_KEY, KeyUse
from reconciler_tables import catalogue, keyring
from reconciler_tables.catalogue import TableRecord
from reconciler_tables.site import Site


def key_uses(site: Site, key_arn: str | None = None) -> list[KeyUse]:
    """Every wrap in the key ring whose table was not dropped, or those under one key: half-made ones, both sides of a
    change, and those of a table that the catalogue does not know, which may come back from a copy of it (I3). A table
    whose key is lost may be under any key."""
    with site.keyring.read() as ring:
        wraps = [] if ring is None else keyring.all_wraps(ring, key_arn)
    with site.catalogue.read() as reading:
        if reading is None:
            sizes, dropped = {}, set()
        elif key_arn is None:
            sizes = {record.uid: record.bytes for record in catalogue.all_tables(reading)}
            dropped = catalogue.dropped_tables(reading)
        else:
            records = [catalogue.table_of_uid(reading, wrap.table_uid) for wrap in wraps]
            sizes = {record.uid: record.bytes for record in records if record is not None}
            dropped = {wrap.table_uid for wrap in wraps if catalogue.was_dropped(reading, wrap.table_uid)}
    uses = {
        (wrap.key_arn, wrap.table_uid): KeyUse(
            key_arn=wrap.key_arn,
            what="table",
            name=str(wrap.name),
            arn=site.arn(wrap.name),
            bytes=sizes.get(wrap.table_uid, 0),
            grant_id=wrap.grant_id,
        )
        for wrap in wraps
        if wrap.table_uid not in dropped
    }
    found = [*uses.values(), *_lost(site, afresh=key_arn is None)]
    return sorted(found, key=lambda use: (use.name, use.key_arn))


def _lost(site: Site, *, afresh: bool) -> list[KeyUse]:
    """Tables without their key. Not ``afresh``: those of the last look that still have none, so that asking for each of
    many keys is not each time a look at everything."""
    if afresh or site.keyless is None:
        site.keyless = _keyless(site)
    if not site.keyless:
        return []
    with site.catalogue.read() as reading:
        # Read anew: what was dropped between the two looks is not lost.
        known = (catalogue.table_of_uid(reading, uid) for uid in site.keyless) if reading is not None else ()
        records = [record for record in known if record is not None]
    with site.keyring.read() as ring:
        lost = [record for record in records if ring is None or not _has_key(keyring.wraps_of(ring, record.uid))]
    site.keyless = frozenset(record.uid for record in lost)
    return [_use(site, record) for record in lost]


def _keyless(site: Site) -> frozenset[str]:
    with site.catalogue.read() as reading:
        records = [] if reading is None else catalogue.all_tables(reading)
    with site.keyring.read() as ring:
        live = set() if ring is None else {wrap.table_uid for wrap in keyring.all_wraps(ring) if _has_key([wrap])}
    return frozenset(record.uid for record in records if record.status == catalogue.ACTIVE and record.uid not in live)


def _has_key(wraps: list[keyring.Wrap]) -> bool:
    return any(wrap.stage == keyring.LIVE for wrap in wraps)


def _use(site: Site, record: TableRecord) -> KeyUse:
    return KeyUse(key_arn=ANY_KEY, what="table", name=str(record.name), arn=site.arn(record.name), bytes=record.bytes)
