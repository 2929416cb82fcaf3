"""What a DataShare manifest says: which tables of which cluster another one may query."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from reconciler.resources.field_types import ClusterRef, SortedSet, refuse, text
from reconciler.resources.spec import Spec

TableName = Annotated[str, text(r"[a-z_][a-z0-9_]{0,126}", "a name of small letters, digits and _, not a digit first")]


class DataShareSpec(Spec):
    """``consumer`` selects from ``<share>.<table>``; it loses the share with its ``producer`` (RE8). To it the share's
    name is a schema, so it is a name as SQL has them."""

    name_pattern: ClassVar[str] = r"[a-z_][a-z0-9_]{0,126}"
    name_form: ClassVar[str] = "1 to 127 small letters, digits and _, not a digit first (`externalName` may say it)"
    same_place: ClassVar[tuple[str, ...]] = ("producer", "consumer")

    producer: ClusterRef
    tables: Annotated[tuple[TableName, ...], SortedSet, Field(min_length=1)]
    consumer: ClusterRef

    @model_validator(mode="after")
    def _between_two(self) -> DataShareSpec:
        if self.producer == self.consumer:
            raise refuse(
                "must be another cluster than the producer, which queries its tables as they are", field="consumer"
            )
        return self
