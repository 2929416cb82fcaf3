"""Text to one statement, in Redshift's dialect, over the cluster's own tables and nothing else.

sqlglot decides; what it takes for a table that is none of the cluster's, a file, a function or a database, is refused
before any engine sees the text. No message repeats a literal of the statement: it may be a row's value (I19).

Needs sqlglot; imported at the first statement.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError, TokenError

from reconciler.errors import ValidationException

SCHEMA: Final = "public"
STATEMENT_BYTES: Final = 1 << 20  # rows come by COPY or load; a parser is no place for megabytes
_CHANGES: Final = (exp.DML, exp.DDL, exp.Command, exp.Into, exp.Copy, exp.Set, exp.Pragma, exp.Attach)
_INSIDE: Final = re.compile(r"<class '[\w.]*?(\w+)'>")  # the parser's own name of a kind of expression
_ONE_SELECT: Final = "Send one SELECT over the cluster's tables (WITH is fine)."

logging.getLogger("sqlglot").setLevel(logging.CRITICAL + 1)  # its warnings quote the statement


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """A SELECT, translated for DuckDB, and the cluster's tables that it names."""

    text: str
    tables: tuple[str, ...]
    shared: tuple[str, ...] = ()


def classify(statement: str, known: Collection[str], cluster: str, shared: Collection[str] = ()) -> Statement:
    """The statement as it will run. ValidationException for anything but one SELECT over ``known`` tables, and those
    that are ``shared`` (``<share>.<table>``) with the cluster."""
    query = parse(statement)
    if not isinstance(query, exp.Query):
        raise refused(f"only a SELECT is answered, this is {called(query)}", _ONE_SELECT)
    return translated(query, known, cluster, shared)


def parse(statement: str) -> exp.Expr:
    """The one statement that the text holds, of whatever kind. ValidationException."""
    try:
        size = len(statement.encode())
    except UnicodeEncodeError:
        raise refused("it is not UTF-8", "") from None
    if "\0" in statement:
        raise refused("it holds a character of value 0", "")
    if size > STATEMENT_BYTES:
        raise refused(
            f"it is longer than {STATEMENT_BYTES >> 20} MiB", "Put the rows into a CSV or Parquet file and COPY it."
        )
    try:
        parsed = [one for one in sqlglot.parse(statement, read="redshift") if one is not None]
    except TokenError:
        raise refused("it cannot be read: a quote or a comment is not closed, perhaps", "") from None
    except SqlglotError as error:
        raise refused(f"it cannot be parsed: {_place_of(error)}", "") from None
    except RecursionError:
        raise refused("it is nested too deeply", "") from None
    if len(parsed) != 1:
        raise refused(f"it holds {len(parsed)} statements, and one is answered at a time", "")
    return parsed[0]


def translated(query: exp.Expr, known: Collection[str], cluster: str, shared: Collection[str] = ()) -> Statement:
    """A query over the cluster's tables as DuckDB gets it. ValidationException for one that reads anything else."""
    for node in query.walk():
        if node is not query and isinstance(node, _CHANGES) and not isinstance(node, exp.Query):
            raise refused(f"a SELECT may not hold {called(node)}", _ONE_SELECT)
    named: dict[str, None] = {}
    others: dict[str, None] = {}
    for table in list(_tables(query)):
        if (foreign := _shared_name(table)) in shared:
            others[foreign] = None
            _read_as(table, foreign)
            continue
        name = own_name(table)
        if name not in known:
            listed = ", ".join(sorted(one for one in known if not one.startswith(INTERNAL))) or "none"
            raise ValidationException(f"Cluster {cluster} has no table {name}", suggestion=f"Its tables: {listed}.")
        named[name] = None
        table.set("db", None)
    try:
        return Statement(text=query.sql(dialect="duckdb", copy=False), tables=tuple(named), shared=tuple(others))
    except RecursionError:
        raise refused("it is nested too deeply", "") from None


INTERNAL: Final = " "  # what a table that this code names for itself begins with: no table of a cluster can


def registered(shared: str) -> str:
    """What a shared table is called inside of the engine: as no table of a cluster can be."""
    return INTERNAL + shared.replace(".", " ")


def _shared_name(table: exp.Expr) -> str:
    """``<share>.<table>`` when it is written so, "" otherwise."""
    if not isinstance(table, exp.Table) or not isinstance(table.this, exp.Identifier) or table.catalog or not table.db:
        return ""
    return f"{table.db}.{table.name}".lower()


def _read_as(table: exp.Table, shared: str) -> None:
    """The table under its name inside, still to be called by its own name in the statement."""
    if not table.alias:
        table.set("alias", exp.TableAlias(this=exp.to_identifier(table.name.lower(), quoted=True)))
    table.set("this", exp.to_identifier(registered(shared), quoted=True))
    table.set("db", None)


def own_name(table: exp.Expr) -> str:
    """The name of one of the cluster's own tables, in lower case. ValidationException for a function, a file, a table
    of another schema or database."""
    if not isinstance(table, exp.Table) or not isinstance(table.this, exp.Identifier):
        raise refused("only the cluster's tables may stand for a table, no function and no file", "")
    if table.catalog or table.db.lower() not in ("", SCHEMA):
        raise refused(f"{table.sql()} is in another schema; the cluster's tables are in {SCHEMA}", "")
    return table.name.lower()


def called(node: exp.Expr) -> str:
    """What kind of statement it is, as people say it."""
    if isinstance(node, exp.Command):
        return str(node.this).upper()
    if isinstance(node, (exp.Condition, exp.Alias)) and not isinstance(node, exp.Query):
        return "what it begins with"
    kind = str(node.args.get("kind") or "") if isinstance(node, (exp.Create, exp.Drop, exp.Alter)) else ""
    return f"{type(node).__name__.upper()} {kind}".strip()


def refused(why: str, suggestion: str) -> ValidationException:
    """A statement that nothing was done for."""
    return ValidationException(f"The statement was not run: {why}", suggestion=suggestion or None)


def _place_of(error: SqlglotError) -> str:
    """Where, and what was expected, without the text around it."""
    found = getattr(error, "errors", None)
    if not found:
        return "the parser does not know its form"
    first = found[0]
    expected = _INSIDE.sub(lambda found: found[1].upper(), first.get("description") or "unexpected text")
    return f"{expected} (line {first.get('line')}, column {first.get('col')})"


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
