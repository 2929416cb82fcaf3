"""What interrupted runs began in a token and nobody went on with: removed by a later apply, under the lock, after it
has taken up whatever it can."""

from __future__ import annotations

from contextlib import suppress

from reconciler.errors import HostError, HsmError, UsageError
from reconciler_pkcs11 import rows
from reconciler_pkcs11.adopting import withdraw
from reconciler_pkcs11.keys.begun import give_up
from reconciler_pkcs11.letting_go import let_go
from reconciler_pkcs11.rows import PartitionRow, VersionRow
from reconciler_pkcs11.site import Site


def clear_up(site: Site) -> None:
    """Remove partitions and versions of ``Key``s that were begun and never got ready: nothing was ever put under them;
    and partitions that were being let go. A cluster key is the data plane's to go on with: it wrote its id down."""
    with site.store.read() as connection:
        if connection is None:
            return
        adopting = [PartitionRow._make(row) for row in connection.execute(f"{rows.PARTITION} WHERE NOT ready")]
        begun = [VersionRow._make(row) for row in connection.execute(f"{rows.VERSION} WHERE NOT ready")]
        going = [PartitionRow._make(row) for row in connection.execute(f"{rows.PARTITION} WHERE ready AND going")]
    for row in adopting:
        withdraw(site, row, was_found=True)
    for version in begun:
        with suppress(HsmError, HostError, UsageError):
            give_up(site, version)
    for row in going:
        let_go(site, row)
