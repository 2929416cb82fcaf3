"""Dropping a table: refused to all → grant retired → rows gone → keys gone (KS5). Each part may be repeated.

The rows go before the keys, so that no row is ever without its key (I3); a key without a table opens nothing, and is
cleared away by the next request about that name, or by ``clear_up``.
"""

from __future__ import annotations

from reconciler.access.caller import Caller
from reconciler_tables import catalogue, keyring, roots
from reconciler_tables.catalogue import TableRecord
from reconciler_tables.names import TableName
from reconciler_tables.site import Site


def delete_table(site: Site, caller: Caller, name: TableName) -> None:
    """See ``TableProvider.delete_table``."""
    with site.catalogue.read() as reading:
        found = None if reading is None else catalogue.table_named(reading, name)
    if found is not None:
        with site.catalogue.write() as writing:
            catalogue.set_status(writing, found.uid, catalogue.DELETING, was=catalogue.ACTIVE)
        release(site, caller, found)
    release_leftovers(site, caller, name)


def release(site: Site, caller: Caller, table: TableRecord) -> None:
    """Take away a table that nobody uses any more, or a half-made one, with its grants, rows and keys. One that another
    process has finished since ``table`` was read is left alone."""
    with site.catalogue.write() as writing:
        catalogue.set_status(writing, table.uid, catalogue.DELETING, was=catalogue.CREATING)
        now = catalogue.table_of_uid(writing, table.uid)
    if now is not None and now.status != catalogue.DELETING:
        return
    _retire(site, caller, table.uid)
    with site.catalogue.write() as writing:
        catalogue.remove_table(writing, table.uid)
    _forget(site, table.uid)


def release_leftovers(site: Site, caller: Caller, name: TableName) -> None:
    """Clear away keys whose table is gone: a crash fell between removing rows and keys."""
    with site.keyring.read() as ring:
        uids = [] if ring is None else keyring.uids_of_name(ring, name)
    if not uids:
        return
    with site.catalogue.read() as reading:
        gone = [] if reading is None else [uid for uid in uids if catalogue.was_dropped(reading, uid)]
    for uid in gone:
        _retire(site, caller, uid)
        _forget(site, uid)


def clear_up(site: Site) -> None:
    """See ``ClearsUp.clear_up``: keys whose table is gone. Its grants were retired before its rows went."""
    with site.keyring.read() as ring:
        uids = set() if ring is None else {wrap.table_uid for wrap in keyring.all_wraps(ring)}
    if not uids:
        return
    with site.catalogue.read() as reading:
        gone = set() if reading is None else catalogue.dropped_tables(reading)
    for uid in sorted(uids & gone):
        _forget(site, uid)


def _retire(site: Site, caller: Caller, uid: str) -> None:
    with site.keyring.read() as ring:
        wraps = [] if ring is None else keyring.wraps_of(ring, uid)
    for wrap in wraps:
        roots.retire_grant(site, caller, wrap)


def _forget(site: Site, uid: str) -> None:
    with site.keyring.write() as ring:
        keyring.remove_keys(ring, uid)
