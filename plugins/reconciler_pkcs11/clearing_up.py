"""What interrupted runs began in a token and nobody went on with: removed by a later apply, under the lock, after it
has taken up whatever it can."""

from __future__ import annotations

from contextlib import suppress

from reconciler.errors import HostError, HsmError, UsageError
from reconciler_pkcs11 import rows
from reconciler_pkcs11.adopting import withdraw
from reconciler_pkcs11.keys.finding import partition_of
from reconciler_pkcs11.names import version_label
from reconciler_pkcs11.rows import PartitionRow, VersionRow
from reconciler_pkcs11.site import Site


def clear_up(site: Site) -> None:
    """Remove partitions and versions of ``Key``s that were begun and never got ready: nothing was ever put under them.
    A cluster key is the data plane's to go on with: it wrote its id down."""
    with site.store.read() as connection:
        if connection is None:
            return
        adopting = [PartitionRow._make(row) for row in connection.execute(f"{rows.PARTITION} WHERE NOT ready")]
        begun = [VersionRow._make(row) for row in connection.execute(f"{rows.VERSION} WHERE NOT ready")]
    for row in adopting:
        withdraw(site, row)
    for version in begun:
        with suppress(HsmError, HostError, UsageError):
            _remove(site, version)


def _remove(site: Site, version: VersionRow) -> None:
    with site.write() as connection:
        found = rows.key_by_id(connection, version.key_id)
    if found is None:
        return
    with site.connections.use(partition_of(site, found)) as opened:
        opened.destroy(version.object_id, version_label(version.key_id, version.number, enabled=True))
    with site.write() as connection:
        connection.execute(
            "DELETE FROM key_version WHERE key_id = ? AND number = ? AND NOT ready", (version.key_id, version.number)
        )
        connection.execute("DELETE FROM key WHERE key_id = ? AND NOT ready", (version.key_id,))
