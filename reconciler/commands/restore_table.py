"""``reconciler restore-table``: one table of a cluster's own snapshot, back beside what the cluster has (RE11)."""

from __future__ import annotations

import click

from reconciler.commands import output
from reconciler.commands.context import Globals
from reconciler.commands.recorded_cluster import recorded_cluster
from reconciler.commands.session import Session
from reconciler.providers.typed import caller, restoring_snapshots
from reconciler.views.quantity import count_text


@click.command("restore-table")
@click.option("-c", "cluster", metavar="CLUSTER", required=True, help="The Cluster manifest's name.")
@click.option("--snapshot", metavar="NAME", required=True, help="The snapshot's name, as its warehouse has it.")
@click.option("--to", "new_name", metavar="TABLE", required=True, help="What the restored table is called.")
@click.option("--token", metavar="TOKEN", help="Repeating the command under the same one restores it once.")
@click.argument("table", metavar="TABLE")
@click.pass_obj
def command(  # noqa: PLR0917  # click hands options over by name
    flags: Globals, /, cluster: str, snapshot: str, new_name: str, token: str | None, table: str
) -> int:
    """Bring one table of a cluster's own snapshot back, under a name that is free. No data is written again.

    A table of a snapshot from before the cluster was encrypted is refused: a cluster of its own is made of that
    (`restoreFrom`).

    Example: reconciler restore-table -c flights --snapshot nightly --to flights_before flights
    """
    with Session(flags) as session:
        row = recorded_cluster(session, cluster)
        made = restoring_snapshots(session, row.provider).restore_table(
            caller(session, row.provider),
            str(row.attributes["name"]),
            snapshot,
            table,
            new_name,
            progress=lambda *_: None,
            token=token or session.random.bytes(16).hex(),
        )
    mark = "" if made.backup else f"; BACKUP NO, as {table} is today"
    output.tell(f"{made.name}: {count_text(made.rows, 'row')}, as snapshot {snapshot} has {table}{mark}")
    return 0
