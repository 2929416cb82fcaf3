"""``reconciler sql``: a statement to a cluster's tables, which are read from and written as ciphertext."""

from __future__ import annotations

import sys

import click

from reconciler.commands import output
from reconciler.commands.context import Globals
from reconciler.commands.recorded_cluster import recorded_cluster
from reconciler.commands.session import Session
from reconciler.commands.stopping import STOPPED
from reconciler.errors import UsageError
from reconciler.model.ports import StopRequested
from reconciler.providers.data import QueryResult
from reconciler.providers.typed import caller, warehouse_provider
from reconciler.providers.warehouse import ExecutesStatements, StatementFile, StatementResult

_LARGEST = 8 << 20


@click.command("sql")
@click.option("-c", "cluster", metavar="CLUSTER", required=True, help="The Cluster manifest's name.")
@click.option("--format", "form", type=click.Choice(["table", "json", "csv"]), default="table", help="How to print.")
@click.option("--token", metavar="TOKEN", help="Repeating the command under the same one changes rows once.")
@click.argument("statement")
@click.pass_obj
def command(flags: Globals, /, cluster: str, form: str, token: str | None, statement: str) -> int:
    """Run one statement over a cluster's tables: SELECT, INSERT, COPY, UPDATE, DELETE, CREATE TABLE (AS), DROP TABLE,
    TRUNCATE. Whole or not at all; plaintext stays in memory. STATEMENT may be - for standard input, which no list of
    processes shows. COPY takes a file below the project.

    Example: reconciler sql -c flights "SELECT carrier, count(*) FROM flights GROUP BY carrier"
    """
    text = _from_stdin() if statement == "-" else statement
    with Session(flags) as session:
        row = recorded_cluster(session, cluster)
        warehouse = warehouse_provider(session, row.provider)
        name, asking = str(row.attributes["name"]), caller(session, row.provider)
        try:
            with session.interrupts.heard(STOPPED):
                if isinstance(warehouse, ExecutesStatements):
                    result = warehouse.execute(
                        asking,
                        name,
                        text,
                        open_file=lambda path: _below(session, path),
                        token=token or session.random.bytes(16).hex(),
                    )
                else:
                    result = StatementResult(verb="SELECT", answer=warehouse.select(asking, name, text))
        except StopRequested:
            output.remark("Stopped: the statement was ended, and changed nothing.")
            return STOPPED
    _tell(result, form) if result.answer is None else _tell_answer(result.answer, form)
    return 0


def _tell(result: StatementResult, form: str) -> None:
    if form == "json":
        from reconciler.views.statement_json import statement_document

        output.tell_json(statement_document(result))
    elif form == "csv":
        from reconciler.views.statement_text import render_statement_csv

        output.tell(render_statement_csv(result))
    else:
        from reconciler.views.statement_text import render_statement

        output.tell(render_statement(result))


def _tell_answer(answer: QueryResult, form: str) -> None:
    if form == "json":
        from reconciler.views.result_json import result_document

        output.tell_json(result_document(answer))
    elif form == "csv":
        from reconciler.views.result_csv import render_result_csv

        output.tell(render_result_csv(answer))
    else:
        from reconciler.views.result_table import render_result_table

        output.tell(render_result_table(answer))


def _below(session: Session, path: str) -> StatementFile:
    """The file that COPY names: below the project, through no symbolic link, as a manifest's ``load`` takes it."""
    from reconciler.loading.beneath import SideFiles

    try:
        sha256 = SideFiles(session.project).sha256(path)
    except ValueError as error:
        raise UsageError(
            f"COPY names {path}, which cannot be used: {error}",
            suggestion="Name a file below the project, as in `COPY flights FROM 'data/flights.csv'`.",
        ) from None
    return StatementFile(path=session.project / path, sha256=sha256)


def _from_stdin() -> str:
    read = sys.stdin.buffer.read(_LARGEST + 1)
    if len(read) > _LARGEST:
        raise UsageError(
            f"The statement on standard input is longer than {_LARGEST >> 20} MiB",
            suggestion="Put the rows into a CSV or Parquet file and COPY it.",
        )
    try:
        return read.decode()
    except UnicodeDecodeError:
        raise UsageError(
            "The statement on standard input is not UTF-8", suggestion="Save it as UTF-8, and send it again."
        ) from None
