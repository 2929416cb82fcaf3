"""Parquet written: through the product's segment writer, and by pyarrow to a plain file, both durable."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow.parquet as pq  # type: ignore[import-untyped]  # pyarrow ships no types
from warehouse_rounds import at_most, interleaved
from warehouse_world import make_file

from reconciler.host.clock import SystemRandom
from reconciler.host.os_fs import OsFs
from reconciler_warehouse.blocks.key_tables import SegmentId
from reconciler_warehouse.blocks.parquet_segments import COMPRESSION, SegmentWriter
from reconciler_warehouse.loading.tabular import infer, row_groups
from reconciler_warehouse.segment_store.local_files import LocalFiles


def compare(folder: Path, rows: int, rounds: int) -> None:
    """The same row groups, compression and statistics on both sides; what is measured begins with Arrow tables in
    memory and ends with the file synced."""
    source = make_file(folder / f"{rows}.parquet", rows)
    schema = infer(OsFs(), source)
    groups = list(row_groups(OsFs(), source, schema))
    store = LocalFiles(OsFs(), folder / "written", folder / "catalogue.db")
    identity = SegmentId(origin=f"{1:032x}", table=f"{2:032x}", segment=f"{3:032x}")
    name = f"{identity.segment}.1"

    def ours() -> None:
        writer = SegmentWriter(schema, identity.blocks(), SystemRandom(), sealed=True)
        store.write(name, writer.chunks(groups))
        writer.key_table()
        os.unlink(folder / "written" / name)

    def plain() -> None:
        target = folder / "plain.parquet"
        with pq.ParquetWriter(str(target), schema, compression=COMPRESSION) as writer:
            for group in groups:
                writer.write_table(group, row_group_size=group.num_rows)
        handle = os.open(target, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)
        target.unlink()

    best = interleaved({"ours": ours, "plain": plain}, rounds)
    print(f" {rows:,} rows in {len(groups)} row groups, {COMPRESSION}")
    at_most("Parquet write, beside pyarrow's: CPU", best["ours"].cpu, best["plain"].cpu, 1.35)
    at_most("Parquet write, beside pyarrow's: wall", best["ours"].wall, best["plain"].wall, 1.35, unit="wall")
