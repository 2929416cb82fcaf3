"""``reconciler export``: tables as files that other tools read, encrypted unless plaintext is asked for by name."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.commands import output
from reconciler.commands.context import Globals
from reconciler.commands.recorded_cluster import recorded_cluster
from reconciler.commands.session import Session
from reconciler.errors import UsageError
from reconciler.model.address import Address
from reconciler.model.nearest import did_you_mean
from reconciler.providers.typed import caller, exporting_tables
from reconciler.providers.warehouse import ExportForm


@click.command("export")
@click.option("-c", "cluster", metavar="CLUSTER", required=True, help="The Cluster manifest's name.")
@click.option("--to", "to", metavar="DIR", required=True, help="A folder that is not there yet.")
@click.option("--key", metavar="KEY", help="The Key manifest's name, an alias or an ARN: wraps each file's data key.")
@click.option(
    "--form",
    "export_form",
    type=click.Choice([str(form) for form in ExportForm]),
    default=str(ExportForm.ENCRYPTED_PARQUET),
    help="parquet is plaintext, and takes no --key.",
)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="How to print.")
@click.argument("tables", metavar="[TABLE]...", nargs=-1)
@click.pass_obj
def command(  # noqa: PLR0917  # click hands options over by name
    flags: Globals,
    /,
    cluster: str,
    to: str,
    key: str | None,
    export_form: str,
    form: str,
    tables: tuple[str, ...],
) -> int:
    """Write tables of a cluster (all of them, if none is named) to a new folder, as Parquet that other tools read.

    Every file is under a data key of its own, which KEY wraps: Parquet Modular Encryption, for whoever may use that
    key. Plaintext is written only with `--form parquet`.

    Example: reconciler export -c flights --to flights-2013 --key exports flights
    """
    wanted = ExportForm(export_form)
    if wanted is ExportForm.ENCRYPTED_PARQUET and key is None:
        raise UsageError(
            "An encrypted export needs --key: the key that wraps each file's data key",
            suggestion="Give --key NAME; or `--form parquet`, for plaintext.",
            path="--key",
        )
    if wanted is ExportForm.PARQUET and key is not None:
        raise UsageError(
            "--form parquet is plaintext; it takes no --key", suggestion="Leave one of them out.", path="--key"
        )
    with Session(flags) as session:
        row = recorded_cluster(session, cluster)
        warehouse = exporting_tables(session, row.provider)
        written = warehouse.export_tables(
            caller(session, row.provider),
            str(row.attributes["name"]),
            tables,
            Path(to).absolute(),
            form=wanted,
            key_id=None if key is None else _key_id(session, key),
            progress=lambda *_: None,
        )
    if form == "json":
        from reconciler.views.export_json import export_document

        output.tell_json(export_document(written, folder=to, form=str(wanted)))
    else:
        from reconciler.views.export_text import render_export

        output.tell(render_export(written))
    if wanted is ExportForm.PARQUET:
        output.remark(f"{to} holds plaintext: whoever can read the files can read the rows.")
    return 0


def _key_id(session: Session, name: str) -> str:
    """What the key service knows the key by."""
    if name.startswith(("arn:", "alias/")):
        return name
    wanted = Address.of("Key", name.removeprefix("Key/"))
    row = session.reader.get(wanted)
    if row is None or row.identity is None:
        raise UsageError(
            f"{wanted} is not in the state",
            suggestion=did_you_mean(wanted, session.reader.heads())
            or "Name a Key manifest that was applied, `alias/NAME`, or an ARN.",
            path="--key",
        )
    return str(row.attributes["arn"])
