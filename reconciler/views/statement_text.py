"""What a statement changed, for people and for spreadsheets."""

from __future__ import annotations

from reconciler.providers.warehouse import StatementResult

_TAGS = {"INSERT": "INSERT 0", "CREATE TABLE AS": "SELECT", "TRUNCATE": "TRUNCATE TABLE"}


def render_statement(result: StatementResult) -> str:
    """The command tag that psql prints: ``INSERT 0 3``, ``DELETE 1``, ``CREATE TABLE``."""
    if result.rows_changed is None:
        return _TAGS["TRUNCATE"] if result.verb == "TRUNCATE" else result.verb.removesuffix(" AS")
    return f"{_TAGS.get(result.verb, result.verb)} {result.rows_changed}"


def render_statement_csv(result: StatementResult) -> str:
    """One row: the verb, and how many rows it changed; empty where it is not rows that it changes."""
    return f"statement,rows\n{result.verb},{'' if result.rows_changed is None else result.rows_changed}\n"
