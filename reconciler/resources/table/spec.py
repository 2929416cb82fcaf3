"""What a Table manifest says: a wide-column table under its own table key (KS1–KS7)."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from reconciler.resources.field_types import KeyRef, KeyspaceRef, refuse, text
from reconciler.resources.spec import Spec, Strict

ColumnName = Annotated[
    str, text(r"[A-Za-z][A-Za-z0-9_]{0,47}", "a column name of 1 to 48 letters, digits and _, a letter first")
]
ColumnType = Literal[
    "ascii",
    "bigint",
    "blob",
    "boolean",
    "date",
    "decimal",
    "double",
    "float",
    "inet",
    "int",
    "smallint",
    "text",
    "time",
    "timestamp",
    "timeuuid",
    "tinyint",
    "uuid",
    "varchar",
    "varint",
]


class SchemaColumn(Strict):
    """A column and its CQL type."""

    name: ColumnName
    type: ColumnType


class SchemaClusteringColumn(Strict):
    """A clustering key column and the order of its values."""

    name: ColumnName
    order: Literal["ASC", "DESC"] = "ASC"


class DeclaredSchema(Strict):
    """Columns and keys of a table; every key column is one of ``columns``."""

    columns: Annotated[tuple[SchemaColumn, ...], Field(min_length=1)]
    partition_key: Annotated[tuple[ColumnName, ...], Field(min_length=1)]
    clustering_key: tuple[SchemaClusteringColumn, ...] = ()
    static: tuple[ColumnName, ...] = ()

    @model_validator(mode="after")
    def _columns_fit(self) -> DeclaredSchema:
        columns = {column.name for column in self.columns}
        uses = [*self.partition_key, *(column.name for column in self.clustering_key), *self.static]
        if len(columns) < len(self.columns) or len(set(uses)) < len(uses) or not columns.issuperset(uses):
            self._explain(columns)
        if self.static and not self.clustering_key:
            raise refuse("must be empty without a clusteringKey", field="static")
        return self

    def _explain(self, columns: set[str]) -> None:
        seen: set[str] = set()
        for index, column in enumerate(self.columns):
            if column.name in seen:
                raise refuse(f'names "{column.name}" a second time', field=("columns", index, "name"))
            seen.add(column.name)
        used: dict[str, str | int] = {}
        for field, name in self._uses():
            if name not in columns:
                raise refuse(f'names "{name}", which is not among columns', field=field)
            if name in used:
                raise refuse(f'names "{name}", which {used[name]} names already', field=field)
            used[name] = field[0]

    def _uses(self) -> list[tuple[tuple[str | int, ...], str]]:
        return [
            *((("partitionKey", index), name) for index, name in enumerate(self.partition_key)),
            *((("clusteringKey", index, "name"), column.name) for index, column in enumerate(self.clustering_key)),
            *((("static", index), name) for index, name in enumerate(self.static)),
        ]


class TableEncryption(Strict):
    """The table's KMS key (KS2): the service's own, or a customer's."""

    type: Literal["AWS_OWNED_KMS_KEY", "CUSTOMER_MANAGED_KMS_KEY"] = "AWS_OWNED_KMS_KEY"
    key: KeyRef | None = None

    @model_validator(mode="after")
    def _key_fits_type(self) -> TableEncryption:
        if self.type == "CUSTOMER_MANAGED_KMS_KEY" and self.key is None:
            raise refuse("needs a key for type CUSTOMER_MANAGED_KMS_KEY", suggestion="Add key: NAME.")
        if self.type == "AWS_OWNED_KMS_KEY" and self.key is not None:
            raise refuse(
                "must be absent for type AWS_OWNED_KMS_KEY",
                field="key",
                suggestion="Write type: CUSTOMER_MANAGED_KMS_KEY to put the table under this key.",
            )
        return self


class TableSpec(Spec):
    """``table_schema`` is ``schema`` in manifests. ``encryption`` None means that the manifest is silent: the owned key
    at creation, and blocked later if the table has a customer-managed key (I18)."""

    name_pattern: ClassVar[str] = r"[A-Za-z0-9][A-Za-z0-9_]{0,47}"
    name_form: ClassVar[str] = "1 to 48 letters, digits and _, not _ first"
    parent: ClassVar[str | None] = "keyspace"

    keyspace: KeyspaceRef
    table_schema: DeclaredSchema = Field(alias="schema")
    encryption: TableEncryption | None = None
