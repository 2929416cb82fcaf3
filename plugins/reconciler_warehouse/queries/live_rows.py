"""A table's rows without those that delete vectors mark, and where each row stands, as a dataset that engines scan.

Segments without a delete vector are left to Arrow's own dataset (``dataset``). Here are the others, and those whose
rows are to be deleted or changed: read row group by row group in order, so that a row's place is known; a projection
still reads no other columns, and a filter leaves out segments by their zones and row groups by their statistics.

Needs pyarrow.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa  # type: ignore[import-untyped]  # pyarrow ships no types
import pyarrow.compute as pc  # type: ignore[import-untyped]  # pyarrow ships no types
import pyarrow.dataset as pads  # type: ignore[import-untyped]  # pyarrow ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # pyarrow ships no types

from reconciler_warehouse.blocks.delete_vectors import DeleteVector
from reconciler_warehouse.queries.dataset import Readable, Reading

BATCH_ROWS: Final = 1 << 17


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Two columns more: in which segment a row stands (counted from 0, in the order given) and at which place in it."""

    segment: str
    row: str


class LiveRows(pads.Dataset):  # type: ignore[misc]  # pyarrow ships no types
    """Rows of these segments, by uid, without those that ``vectors`` mark. An engine asks it for ``scanner`` only."""

    def __init__(
        self,
        reading: Reading,
        segments: Mapping[str, Readable],
        vectors: Mapping[str, DeleteVector],
        places: Places | None = None,
    ) -> None:
        # Arrow's own __init__ refuses whoever is not made by Arrow.
        self._reading = reading
        self._inner = reading.dataset(segments)
        self._numbers = {name: number for number, name in enumerate(segments)}
        self._vectors = vectors
        self._places = places
        shown = self._inner.schema
        for name, kind in [] if places is None else [(places.segment, pa.int32()), (places.row, pa.int64())]:
            shown = shown.append(pa.field(name, kind))
        self._shown = shown

    @property
    def schema(self) -> Any:
        """The columns, with the places last."""
        return self._shown

    def scanner(
        self,
        columns: Sequence[str] | None = None,
        filter: Any = None,
        **_: object,
    ) -> Scan:
        """What Arrow's own dataset would answer, as far as engines use it."""
        return Scan(self, columns, filter)

    def batches(self, wanted: Sequence[str], condition: Any) -> Iterator[Any]:
        """Batches with the ``wanted`` columns, of every segment and row group that may have rows under the condition.
        An error of ours is noted with the reading, and ends them: raised inside an engine it might hang it."""
        read = [name for name in self._inner.schema.names if name in wanted]
        try:
            for fragment in self._may_hold(condition):
                yield from self._of(fragment, read, condition)
        except (pa.ArrowException, OSError) as error:
            self._reading.note(error)

    def _may_hold(self, condition: Any) -> list[Any]:
        try:
            return list(self._inner.get_fragments(filter=condition))
        except pa.ArrowInvalid:  # the condition is on a place, which no segment's bounds know
            return list(self._inner.get_fragments())

    def _of(self, fragment: Any, read: list[str], condition: Any) -> Iterator[Any]:
        vector = self._vectors.get(fragment.path)
        with pq.ParquetFile(self._reading.open(fragment.path)) as file:
            groups = _row_groups(fragment, file.num_row_groups, condition)
            first = 0
            # A place is counted over the whole segment, so a row group that is left out counts as well.
            for group in range(file.num_row_groups):
                place = first
                first += file.metadata.row_group(group).num_rows
                if group in groups:
                    for batch in file.iter_batches(BATCH_ROWS, row_groups=[group], columns=read):
                        yield self._placed(fragment.path, vector, place, batch)
                        place += batch.num_rows

    def _placed(self, name: str, vector: DeleteVector | None, place: int, batch: Any) -> Any:
        count = batch.num_rows
        columns, fields = batch.columns, list(batch.schema)
        if self._places is not None:
            number = pa.repeat(pa.scalar(self._numbers[name], pa.int32()), count)
            columns = [*columns, number, pc.add(_COUNTED.slice(0, count), place)]
            fields += [pa.field(self._places.segment, pa.int32()), pa.field(self._places.row, pa.int64())]
        elif not columns:  # only how many there are is asked for
            columns, fields = [pa.nulls(count)], [pa.field("", pa.null())]
        found = pa.Table.from_arrays(columns, schema=pa.schema(fields))
        return found if vector is None else found.filter(vector.kept(place, count))


class Scan:
    """One scan of ``LiveRows``: what an engine takes from Arrow's scanner."""

    def __init__(self, rows: LiveRows, columns: Sequence[str] | None, condition: Any) -> None:
        self._rows = rows
        self._columns = list(rows.schema.names if columns is None else columns)
        self._condition = condition
        self.projected_schema = pa.schema([rows.schema.field(name) for name in self._columns])

    def to_reader(self) -> Any:
        """The rows, in batches."""
        return pa.RecordBatchReader.from_batches(self.projected_schema, self._chosen())

    def to_batches(self) -> Iterator[Any]:
        """The rows, in batches."""
        yield from self.to_reader()

    def to_table(self) -> Any:
        """The rows, all at once."""
        return self.to_reader().read_all()

    def _chosen(self) -> Iterator[Any]:
        wanted = self._columns
        if self._condition is not None:
            wanted = [*wanted, *(one for one in _asked_by(self._condition, self._rows.schema) if one not in wanted)]
        for table in self._rows.batches(wanted, self._condition):
            kept = table if self._condition is None else table.filter(self._condition)
            yield from kept.select(self._columns).cast(self.projected_schema).to_batches()


_COUNTED: Final = pa.array(range(BATCH_ROWS), pa.int64())


def _asked_by(condition: Any, schema: Any) -> list[str]:
    """The columns that a condition is on: without one of them it cannot be bound."""
    asked = []
    for index, name in enumerate(schema.names):
        try:
            schema.remove(index).empty_table().filter(condition)
        except pa.ArrowInvalid:
            asked.append(name)
    return asked


def _row_groups(fragment: Any, count: int, condition: Any) -> set[int]:
    """Those whose statistics do not say that no row of theirs fulfils the condition."""
    if condition is None or count == 1:
        return set(range(count))
    try:
        return {one.id for one in fragment.subset(filter=condition).row_groups}
    except pa.ArrowInvalid:
        return set(range(count))
