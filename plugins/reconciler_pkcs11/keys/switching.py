"""Enabling and disabling a ``Key``: a word in the label of each of its objects, so that every host sees it (KM1).

The intent is written down first: a key that is being disabled has no use here from then on, whatever its labels say,
and a call that was interrupted is finished by the next one.
"""

from __future__ import annotations

from reconciler.access.caller import Caller
from reconciler_pkcs11.judging import require_marker
from reconciler_pkcs11.keys.finding import partition_of, require_key, require_not_pending, versions_of
from reconciler_pkcs11.names import DISABLED, ENABLED, version_label
from reconciler_pkcs11.requests import asked
from reconciler_pkcs11.rows import KeyRow
from reconciler_pkcs11.site import Site


def set_enabled(site: Site, caller: Caller, key_id: str, *, enabled: bool) -> None:
    """See ``KeyProvider.enable_key`` and ``disable_key``."""
    with asked(site, caller, "EnableKey" if enabled else "DisableKey", {"keyId": key_id}) as asking:
        row = require_key(site, key_id)
        asking.key_arns.append(site.names.key_arn(row.key_id))
        require_not_pending(site, row)
        switch(site, row, enabled=enabled)


def switch(site: Site, row: KeyRow, *, enabled: bool) -> None:
    """Write it into every label. HsmError."""
    word = ENABLED if enabled else DISABLED
    with site.write() as connection:
        connection.execute("UPDATE key SET switching = ? WHERE key_id = ?", (word, row.key_id))
    partition = partition_of(site, row)
    with site.connections.use(partition) as opened:
        require_marker(opened, partition)
        for version in versions_of(site, row):
            opened.relabel(version.object_id, version_label(row.key_id, version.number, enabled=enabled))
    with site.write() as connection:
        connection.execute("UPDATE key SET switching = NULL, seen = ? WHERE key_id = ?", (word, row.key_id))
