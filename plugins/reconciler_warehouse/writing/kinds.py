"""The statements that change tables, each as what it says. Names of tables and columns are in lower case."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp


@dataclass(frozen=True, slots=True, kw_only=True)
class Insert:
    """Rows of a query, or of VALUES. ``columns`` empty: all of the table's, in their order."""

    table: str
    columns: tuple[str, ...]
    rows: exp.Query | exp.Values


@dataclass(frozen=True, slots=True, kw_only=True)
class CopyIn:
    """Rows of a file of the project."""

    table: str
    path: str
    form: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete:
    """Rows for which ``condition`` holds; without one, all. ``among`` are further tables that it names."""

    table: str
    alias: str
    among: tuple[exp.Expr, ...]
    condition: exp.Expr | None
    common: exp.With | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """The same, and what the rows' columns become."""

    table: str
    alias: str
    assignments: tuple[tuple[str, exp.Expr], ...]
    among: tuple[exp.Expr, ...]
    condition: exp.Expr | None
    common: exp.With | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewColumn:
    """A column of a table that is to be made."""

    name: str
    kind: exp.DataType
    is_nullable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateTable:
    """A table without rows."""

    table: str
    columns: tuple[NewColumn, ...]
    only_if_absent: bool
    backup: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateTableAs:
    """A table of a query's rows. ``columns`` are other names for its columns, or none."""

    table: str
    columns: tuple[str, ...]
    query: exp.Query
    only_if_absent: bool
    backup: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DropTable:
    """A table goes."""

    table: str
    only_if_there: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Truncate:
    """A table's rows go."""

    table: str


Changing = Insert | CopyIn | Delete | Update | CreateTable | CreateTableAs | DropTable | Truncate
