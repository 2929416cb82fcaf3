"""A full scan, two columns, a narrow range: through the product, and of the same Parquet bytes in clear."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow.dataset as pads  # type: ignore[import-untyped]  # pyarrow ships no types
from warehouse_rounds import at_most, interleaved
from warehouse_world import NONE, Home, make_file

QUERIES = {
    "full scan": "SELECT sum(id), round(sum(amount)), sum(qty), max(ts), max(region), max(payload) FROM t",
    "two columns": "SELECT sum(qty), round(sum(amount)) FROM t",
    "a range": "SELECT sum(qty), max(payload) FROM t WHERE id BETWEEN 1000 AND 20000",
}
AIMS = {"full scan": (1.1, 1.3), "two columns": (1.5, 1.5), "a range": (2.0, 2.0)}  # of the last, nobody set one


def compare(folder: Path, rows: int, rounds: int) -> None:
    """The product's SELECT beside DuckDB over a pyarrow dataset of the plain files, and beside DuckDB's own reader. The
    plain files are the segments of a cluster without encryption: the same Parquet, byte for byte."""
    with Home(folder / "home") as home:
        file = make_file(folder / f"{rows}.parquet", rows)
        plain = sorted(home.load("plain", NONE, file))
        sealed = home.load("sealed", home.key(), file)
        size = sum(one.stat().st_size for one in sealed)
        print(f" scan of {rows:,} rows, {size >> 20} MiB in {len(sealed)} segments")
        for name, query in QUERIES.items():
            ways: dict[str, Callable[[], object]] = {
                "ours": lambda query=query: home.select("sealed", query),  # type: ignore[misc]  # bound at once
                "pyarrow": lambda query=query: _over_dataset(plain, query),  # type: ignore[misc]  # bound at once
                "native": lambda query=query: _native(plain, query),  # type: ignore[misc]  # bound at once
            }
            answers = {tuple(map(str, call()[0])) for call in ways.values()}  # type: ignore[index]  # rows
            if len(answers) != 1:
                raise ValueError(f"the ways answer differently: {answers}")
            best = interleaved(ways, rounds)
            for peer, aim in zip(("pyarrow", "native"), AIMS[name], strict=True):
                at_most(f"{name}: CPU beside {peer}", best["ours"].cpu, best[peer].cpu, aim)
                at_most(f"{name}: wall beside {peer}", best["ours"].wall, best[peer].wall, aim, unit="wall")


def _over_dataset(files: list[Path], query: str) -> list[tuple[object, ...]]:
    with duckdb.connect() as engine:
        engine.register("t", pads.dataset([str(one) for one in files], format="parquet"))
        return engine.execute(query).fetchall()


def _native(files: list[Path], query: str) -> list[tuple[object, ...]]:
    with duckdb.connect() as engine:
        engine.execute(f"CREATE VIEW t AS SELECT * FROM read_parquet({[str(one) for one in files]!r})")  # noqa: S608  # files of the bench
        return engine.execute(query).fetchall()
