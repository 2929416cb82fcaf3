"""Which statements may run: exactly one SELECT over the cluster's own tables, in Redshift's dialect.

Needs sqlglot; imported at the first statement.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from reconciler.errors import ValidationException

SCHEMA: Final = "public"
_CHANGES: Final = (exp.DML, exp.DDL, exp.Command, exp.Into, exp.Copy, exp.Set, exp.Pragma, exp.Attach)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A SELECT, translated for DuckDB, and the cluster's tables that it names."""

    text: str
    tables: tuple[str, ...]


def classify(statement: str, known: Collection[str], cluster: str) -> Statement:
    """The statement as it will run. ValidationException for anything but one SELECT over ``known`` tables."""
    query = _parsed(statement)
    if not isinstance(query, exp.Query):
        raise _refused(f"only a SELECT is answered, this is {type(query).__name__.upper()}")
    for node in query.walk():
        if node is not query and isinstance(node, _CHANGES) and not isinstance(node, exp.Query):
            raise _refused(f"a SELECT may not hold {type(node).__name__.upper()}")
    named: dict[str, None] = {}
    for table in _tables(query):
        if not isinstance(table.this, exp.Identifier):
            raise _refused("only the cluster's tables may stand after FROM, no function and no file")
        if table.catalog or table.db.lower() not in ("", SCHEMA):
            raise _refused(f"{table.sql()} is in another schema; the cluster's tables are in {SCHEMA}")
        name = table.name.lower()
        if name not in known:
            listed = ", ".join(sorted(known)) or "none"
            raise ValidationException(
                f"Cluster {cluster} has no table {table.name}", suggestion=f"Its tables: {listed}."
            )
        named[name] = None
        table.set("db", None)
    return Statement(text=query.sql(dialect="duckdb"), tables=tuple(named))


def _parsed(statement: str) -> exp.Expr:
    try:
        parsed = [one for one in sqlglot.parse(statement, read="redshift") if one is not None]
    except SqlglotError as error:
        raise _refused(f"it cannot be parsed: {str(error).partition(chr(10))[0]}") from None
    if len(parsed) != 1:
        raise _refused(f"it holds {len(parsed)} statements, and one is answered at a time")
    return parsed[0]


def _tables(query: exp.Expr) -> Iterator[exp.Table]:
    """Tables that are read, without the names that WITH gives to its own queries."""
    for table in query.find_all(exp.Table):
        if not table.db and _is_named_by_with(table):
            continue
        yield table


def _is_named_by_with(table: exp.Table) -> bool:
    """Whether a WITH around the name gives it: its own query sees the ones before it, and itself when recursive."""
    inside: exp.Expr = table
    node = table.parent
    while node is not None:
        if isinstance(node, exp.With):
            visible = node.expressions[: _place(node, inside) + bool(node.args.get("recursive"))]
        else:
            clause = node.args.get("with_") or node.args.get("with")
            visible = clause.expressions if clause is not None and clause is not inside else []
        if any(one.alias.lower() == table.name.lower() for one in visible):
            return True
        inside, node = node, node.parent
    return False


def _place(clause: exp.With, query: exp.Expr) -> int:
    return next(number for number, one in enumerate(clause.expressions) if one is query)


def _refused(why: str) -> ValidationException:
    return ValidationException(
        f"The statement was not run: {why}", suggestion="Send one SELECT over the cluster's tables (WITH is fine)."
    )
