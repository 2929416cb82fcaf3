"""The end of a partition: that it goes is written down first, and counts from then on; whoever comes next ends it."""

from __future__ import annotations

from contextlib import suppress

from reconciler.errors import ConflictException, ReconcilerError
from reconciler_pkcs11.names import marker_label
from reconciler_pkcs11.requests import Asked
from reconciler_pkcs11.rows import PartitionRow
from reconciler_pkcs11.site import Site


def begin(site: Site, row: PartitionRow) -> None:
    """From now on nothing is made in it. ConflictException while it has keys."""
    with site.write() as connection:
        used = [
            *connection.execute("SELECT key_id FROM cluster_key WHERE partition = ?", (row.uid,)),
            *connection.execute("SELECT key_id FROM key WHERE partition = ? AND destroyed_at IS NULL", (row.uid,)),
        ]
        if used:
            raise ConflictException(
                f"The HSM configuration {row.name} has {len(used)} keys that are not destroyed, such as {used[0][0]}",
                suggestion="Move the clusters to another root, delete the keys, and let what was retired be "
                "destroyed first.",
            )
        connection.execute("UPDATE partition SET going = 1 WHERE uid = ?", (row.uid,))


def let_go(site: Site, row: PartitionRow, asking: Asked | None = None) -> None:
    """Remove its marker, as far as the token can be asked, and every row of it."""
    with suppress(ReconcilerError), site.connections.use(row) as partition:
        partition.destroy(row.uid, marker_label(row.uid))
    site.connections.drop(row.uid)
    with site.write() as connection:
        for table in ("key_store", "key_version"):
            connection.execute(
                f"DELETE FROM {table} WHERE key_id IN (SELECT key_id FROM key WHERE partition = ?)",  # noqa: S608  # these two
                (row.uid,),
            )
        connection.execute("DELETE FROM key WHERE partition = ?", (row.uid,))
        connection.execute("DELETE FROM partition WHERE uid = ?", (row.uid,))
        if asking is not None:
            asking.record(connection)
