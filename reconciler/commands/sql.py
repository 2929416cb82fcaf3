"""``reconciler sql``: a question to a cluster's tables, answered from ciphertext."""

from __future__ import annotations

import click

from reconciler.commands import output
from reconciler.commands.context import Globals
from reconciler.commands.planning import address
from reconciler.commands.session import Session
from reconciler.errors import UsageError
from reconciler.model.nearest import did_you_mean
from reconciler.providers.typed import caller, warehouse_provider


@click.command("sql")
@click.option("-c", "cluster", metavar="CLUSTER", required=True, help="The Cluster manifest's name.")
@click.option("--format", "form", type=click.Choice(["table", "json", "csv"]), default="table", help="How to print.")
@click.argument("statement")
@click.pass_obj
def command(flags: Globals, /, cluster: str, form: str, statement: str) -> int:
    """Run one SELECT over a cluster's tables. Plaintext stays in memory.

    Example: reconciler sql -c flights "SELECT carrier, count(*) FROM flights GROUP BY carrier"
    """
    with Session(flags) as session:
        wanted = address(cluster if "/" in cluster else f"Cluster/{cluster}")
        if wanted.kind != "Cluster":
            raise UsageError(f"{wanted} is no Cluster", suggestion="Give -c the name of a Cluster manifest.")
        row = session.reader.get(wanted)
        if row is None or row.identity is None:
            raise UsageError(
                f"{wanted} is not in the state",
                suggestion=did_you_mean(wanted, session.reader.heads()) or "Run `reconciler apply` first.",
            )
        warehouse = warehouse_provider(session, row.provider)
        result = warehouse.select(caller(session, row.provider), str(row.attributes["name"]), statement)
    if form == "json":
        from reconciler.views.result_json import result_document

        output.tell_json(result_document(result))
    elif form == "csv":
        from reconciler.views.result_csv import render_result_csv

        output.tell(render_result_csv(result))
    else:
        from reconciler.views.result_table import render_result_table

        output.tell(render_result_table(result))
    return 0
