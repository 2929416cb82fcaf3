"""A parsed statement as one of ``kinds``, or one clear refusal: nothing that it says is passed over in silence.

What Redshift takes as advice (DISTKEY, SORTKEY, ENCODE, IAM_ROLE, PRIMARY KEY as a promise) is taken as that; any other
clause that this warehouse does not carry out is named and refused.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from sqlglot import exp

from reconciler.errors import ValidationException
from reconciler_warehouse.loading.table_names import check_table_name
from reconciler_warehouse.queries.statements import called, own_name, refused
from reconciler_warehouse.writing.kinds import (
    Changing,
    CopyIn,
    CreateTable,
    CreateTableAs,
    Delete,
    DropTable,
    Insert,
    NewColumn,
    Truncate,
    Update,
)

KNOWN: Final = "SELECT, INSERT, COPY, UPDATE, DELETE, CREATE TABLE, CREATE TABLE AS, DROP TABLE, TRUNCATE"
LONGEST_NAME: Final = 127
_ADVICE: Final = (
    exp.DistKeyProperty,
    exp.DistStyleProperty,
    exp.SortKeyProperty,
    exp.BackupProperty,
)


def recognise(statement: exp.Expr) -> Changing:
    """What the statement says. ValidationException for what is no such statement."""
    about_table = str(statement.args.get("kind") or "TABLE").upper() == "TABLE"
    for kind, read in _READ.items():
        if isinstance(statement, kind) and (about_table or kind is exp.Copy):
            return read(statement)
    raise refused(f"{called(statement)} is none that is run here", f"What is run: {KNOWN}.")


def _insert(statement: exp.Insert) -> Insert:
    _only(statement, "this", "expression", "with_", "with")
    table, columns = _target(statement.this)
    rows = statement.expression
    common = _with(statement)
    if isinstance(rows, exp.Values) and common is None:
        return Insert(table=table, columns=columns, rows=rows)
    if not isinstance(rows, exp.Query):
        raise refused("INSERT takes VALUES or a query", "")
    if common is not None:
        if _with(rows) is not None:
            raise refused("it has a WITH before INSERT and one after it", "Write one WITH, before the SELECT.")
        rows.set("with_" if "with_" in rows.arg_types else "with", common)
    return Insert(table=table, columns=columns, rows=rows)


def _copy(statement: exp.Copy) -> CopyIn:
    _only(statement, "this", "kind", "credentials", "files", "params")
    if not statement.args.get("kind"):
        raise refused(
            "COPY … TO writes files, and a statement writes none", "`reconciler export` writes a table's rows."
        )
    table, columns = _target(statement.this)
    if columns:
        raise refused(
            "COPY takes all columns of the table, by their names in the file", "Leave the list of columns out."
        )
    files = statement.args.get("files") or []
    if len(files) != 1 or not isinstance(files[0], exp.Literal) or not files[0].is_string:
        raise refused("COPY takes one file, as a path below the project in quotes", "")
    form: str | None = None
    for one in statement.args.get("params") or []:
        name, value = str(one.name).upper(), one.args.get("expression")
        if name == "FORMAT" and value is not None:
            name, value = str(value.name).upper(), None
        if name in {"CSV", "PARQUET"} and value is None:
            form = name.lower()
        elif not (name == "IGNOREHEADER" and value is not None and str(value.name) == "1"):
            raise refused(
                f"COPY has no option {name} here",
                "A file is read by its name: .csv, .csv.gz, .csv.zip with a header line, or .parquet.",
            )
    return CopyIn(table=table, path=str(files[0].this), form=form)


def _delete(statement: exp.Delete) -> Delete:
    _only(statement, "this", "using", "where", "with_", "with")
    if not isinstance(statement.this, exp.Table):
        raise refused("DELETE names its table after FROM", "")
    table, alias = _aliased(statement.this)
    return Delete(
        table=table,
        alias=alias,
        among=tuple(statement.args.get("using") or ()),
        condition=_condition(statement),
        common=_with(statement),
    )


def _update(statement: exp.Update) -> Update:
    _only(statement, "this", "expressions", "from_", "from", "where", "with_", "with")
    if not isinstance(statement.this, exp.Table):
        raise refused("UPDATE names its table first", "")
    table, alias = _aliased(statement.this)
    assignments: dict[str, exp.Expr] = {}
    for one in statement.expressions:
        if not isinstance(one, exp.EQ) or not isinstance(one.this, exp.Column):
            raise refused("SET takes one column = one value, separated by commas", "")
        column = one.this.name.lower()
        if column in assignments:
            raise refused(f"SET names column {column} twice", "")
        assignments[column] = one.expression
    source = statement.args.get("from_") or statement.args.get("from")
    return Update(
        table=table,
        alias=alias,
        assignments=tuple(assignments.items()),
        among=() if source is None else (source.this,),
        condition=_condition(statement),
        common=_with(statement),
    )


def _create(statement: exp.Create) -> CreateTable | CreateTableAs:
    _only(statement, "this", "kind", "expression", "exists", "properties", "with_", "with")
    backup = True
    for one in [] if statement.args.get("properties") is None else statement.args["properties"].expressions:
        if not isinstance(one, _ADVICE):
            raise refused(f"CREATE TABLE has no {_spelled(one)} here", "Leave it out.")
        if isinstance(one, exp.BackupProperty):
            backup = str(one.name).upper() != "NO"
    target, query = statement.this, statement.expression
    table = target.this if isinstance(target, exp.Schema) else target
    name = own_name(table)
    check_table_name(name)
    listed = target.expressions if isinstance(target, exp.Schema) else []
    if_absent = bool(statement.args.get("exists"))
    if query is None:
        return CreateTable(table=name, columns=_columns(listed), only_if_absent=if_absent, backup=backup)
    if isinstance(query, exp.Subquery):
        query = query.unnest()
    if not isinstance(query, exp.Query) or _with(statement) is not None:
        raise refused("CREATE TABLE … AS takes a SELECT (its WITH after AS)", "")
    if not all(isinstance(one, exp.Identifier) for one in listed):
        raise refused("CREATE TABLE … AS takes names of columns only: their types are those of the SELECT", "")
    names = tuple(_column_name(one.name) for one in listed)
    return CreateTableAs(table=name, columns=names, query=query, only_if_absent=if_absent, backup=backup)


def _columns(listed: list[exp.Expr]) -> tuple[NewColumn, ...]:
    found: dict[str, NewColumn] = {}
    required: set[str] = set()
    for one in listed:
        if isinstance(one, exp.PrimaryKey):  # a promise, and NOT NULL
            required |= {part.name.lower() for part in one.find_all(exp.Identifier)}
            continue
        if isinstance(one, (exp.UniqueColumnConstraint, exp.ForeignKey)):  # a promise, as in Redshift
            continue
        if not isinstance(one, exp.ColumnDef) or one.args.get("kind") is None:
            raise refused(f"CREATE TABLE has no {_spelled(one)} here", "List columns, each with a name and a type.")
        column = _column(one)
        if column.name in found:
            raise refused(f"it names column {column.name} twice", "")
        found[column.name] = column
    if not found:
        raise refused("a table has at least one column", "")
    if required - set(found):
        raise refused(f"PRIMARY KEY names {min(required - set(found))}, which is no column of it", "")
    return tuple(
        NewColumn(name=one.name, kind=one.kind, is_nullable=one.is_nullable and one.name not in required)
        for one in found.values()
    )


def _column(definition: exp.ColumnDef) -> NewColumn:
    is_nullable = True
    for constraint in definition.args.get("constraints") or []:
        kind = constraint.args.get("kind")
        if isinstance(kind, exp.NotNullColumnConstraint):
            is_nullable = bool(kind.args.get("allow_null"))
        elif isinstance(kind, exp.PrimaryKeyColumnConstraint):
            is_nullable = False
        elif not isinstance(kind, (exp.EncodeColumnConstraint, exp.UniqueColumnConstraint, exp.Reference, *_ADVICE)):
            raise refused(f"column {definition.name} has {_spelled(kind)}, which is not kept here", "Leave it out.")
    return NewColumn(name=_column_name(definition.name), kind=definition.args["kind"], is_nullable=is_nullable)


def _drop(statement: exp.Drop) -> DropTable:
    _only(statement, "this", "tables", "kind", "exists", "cascade", "restrict")
    tables = statement.args.get("tables") or [statement.this]
    return DropTable(table=_only_table(tables, "DROP TABLE"), only_if_there=bool(statement.args.get("exists")))


def _truncate(statement: exp.TruncateTable) -> Truncate:
    _only(statement, "expressions")
    return Truncate(table=_only_table(statement.expressions, "TRUNCATE"))


_READ: Final[Mapping[type[exp.Expr], Callable[[Any], Changing]]] = {
    exp.Insert: _insert,
    exp.Copy: _copy,
    exp.Delete: _delete,
    exp.Update: _update,
    exp.Create: _create,
    exp.Drop: _drop,
    exp.TruncateTable: _truncate,
}


def _only_table(tables: list[exp.Expr], verb: str) -> str:
    if len(tables) != 1:
        raise refused(f"{verb} takes one table at a time", "")
    return own_name(tables[0])


def _target(node: exp.Expr) -> tuple[str, tuple[str, ...]]:
    if isinstance(node, exp.Schema):
        names = tuple(one.name.lower() for one in node.expressions)
        if len(set(names)) != len(names):
            raise refused("it lists a column twice", "")
        return own_name(node.this), names
    return own_name(node), ()


def _aliased(table: exp.Table) -> tuple[str, str]:
    if set(_given(table)) - {"this", "db", "alias"}:
        raise refused("nothing but a name and an alias may stand for the table that is changed", "")
    name = own_name(table)
    return name, table.alias or name


def _condition(statement: exp.Expr) -> exp.Expr | None:
    where = statement.args.get("where")
    return None if where is None else where.this


def _with(node: exp.Expr) -> exp.With | None:
    found = node.args.get("with_") or node.args.get("with")
    return found if isinstance(found, exp.With) else None


def _column_name(name: str) -> str:
    if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        raise ValidationException(
            f"{name[:LONGEST_NAME]!r} cannot name a column: 1 to {LONGEST_NAME} printable letters"
        )
    return name.lower()


def _only(statement: exp.Expr, *known: str) -> None:
    """ValidationException for a clause that would be passed over."""
    for name in _given(statement):
        if name not in known:
            raise refused(f"{called(statement)} has no {_clause(name)} here", "Leave it out.")


def _given(node: exp.Expr) -> Collection[str]:
    return [name for name, value in node.args.items() if value not in (None, False, [])]


def _clause(name: str) -> str:
    return {"conflict": "ON CONFLICT", "tables": "name before FROM", "default": "DEFAULT VALUES"}.get(
        name, name.rstrip("_").replace("_", " ").upper()
    )


def _spelled(node: object) -> str:
    name = type(node).__name__.removesuffix("Property").removesuffix("ColumnConstraint").removesuffix("Constraint")
    return {"GeneratedAsIdentity": "IDENTITY", "Temporary": "TEMPORARY"}.get(name, name).upper()
