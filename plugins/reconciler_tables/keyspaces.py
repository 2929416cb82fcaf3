"""Keyspaces: names that tables live in."""

from __future__ import annotations

from reconciler.access.caller import Caller
from reconciler.errors import AlreadyExistsException, ConflictException
from reconciler_tables import catalogue
from reconciler_tables.catalogue import KeyspaceRecord
from reconciler_tables.dropping import release
from reconciler_tables.names import check_name
from reconciler_tables.site import Site


def create_keyspace(site: Site, name: str, replication: str, token: str) -> KeyspaceRecord:
    """See ``TableProvider.create_keyspace``."""
    check_name("keyspace", name)
    with site.catalogue.write() as writing:
        found = catalogue.keyspace_named(writing, name)
        if found is not None:
            if found.token == token:
                return found
            raise AlreadyExistsException(f'Keyspace "{name}" exists already', suggestion="Choose another name.")
        record = KeyspaceRecord(name=name, replication=replication, token=token)
        catalogue.add_keyspace(writing, record, site.now())
    return record


def delete_keyspace(site: Site, caller: Caller, name: str) -> None:
    """See ``TableProvider.delete_keyspace``."""
    with site.catalogue.read() as reading:
        if reading is None or catalogue.keyspace_named(reading, name) is None:
            return
        tables = catalogue.tables_of_keyspace(reading, name)
    for table in tables:
        if table.status != catalogue.ACTIVE:
            release(site, caller, table)  # half-made or half-dropped: nobody can name it any more
    with site.catalogue.write() as writing:
        left = catalogue.tables_of_keyspace(writing, name)
        if left:
            raise ConflictException(
                f'Keyspace "{name}" has {len(left)} table{"s" if len(left) > 1 else ""}: '
                + ", ".join(record.name.table for record in left[:5])
                + (" …" if len(left) > 5 else ""),
                suggestion="Drop its tables first.",
            )
        catalogue.remove_keyspace(writing, name)
