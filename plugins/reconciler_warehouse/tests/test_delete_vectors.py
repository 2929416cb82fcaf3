"""Delete vectors: the format, what binds them, and reads that leave the marked rows out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import pyarrow as pa  # type: ignore[import-untyped]  # pyarrow ships no types
import pyarrow.dataset as pads  # type: ignore[import-untyped]  # pyarrow ships no types
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.envelope.data_key import DataKey
from reconciler.errors import DamagedStore
from reconciler.host.clock import SystemRandom
from reconciler.providers.proofs import DELETE_VECTORS, REFUSALS
from reconciler_warehouse.blocks import parquet_segments
from reconciler_warehouse.blocks.delete_vectors import MAGIC, DeleteVector, VectorRow, open_vector, seal_vector
from reconciler_warehouse.blocks.key_tables import SegmentId
from reconciler_warehouse.keys.hierarchy import opened
from reconciler_warehouse.loading import tabular
from reconciler_warehouse.proofs.proving_vectors import vectors
from reconciler_warehouse.queries.dataset import Reading
from reconciler_warehouse.queries.live_rows import LiveRows, Places
from reconciler_warehouse.queries.table_state import TableState, look, tables_of
from reconciler_warehouse.rows import cluster_named
from reconciler_warehouse.tests.statement_worlds import run, site_of
from reconciler_warehouse.tests.worlds import NONE, OWNED, World

ID = SegmentId(origin="o" * 32, table="t" * 32, segment="s" * 32)
RANDOM = SystemRandom()


@st.composite
def deletions(draw: st.DrawFn) -> tuple[int, set[int]]:
    rows = draw(st.integers(1, 3000))
    return rows, draw(st.sets(st.integers(0, rows - 1), max_size=60))


def marks(rows: int, places: Iterable[int]) -> bytes:
    return sum(1 << place for place in set(places)).to_bytes(-(-rows // 8), "little")


@given(deletions())
def test_a_vector_is_the_rows_that_were_deleted(case: tuple[int, set[int]]) -> None:
    rows, places = case
    half = sorted(places)[: len(places) // 2]
    vector = DeleteVector.none(rows).joined(marks(rows, half)).joined(marks(rows, places))
    again = DeleteVector.decode(vector.encode())
    assert again == vector
    assert again.deleted == len(places)
    kept = [*again.kept(0, rows).to_pylist()]
    assert {place for place, is_kept in enumerate(kept) if not is_kept} == places
    assert again.kept(rows // 2, rows - rows // 2).to_pylist() == kept[rows // 2 :]


@given(st.binary(max_size=64))
def test_no_other_bytes_are_a_vector(garbage: bytes) -> None:
    for body in (garbage, MAGIC + garbage, DeleteVector.none(100).encode()[:20] + garbage):
        with pytest.raises(ValueError, match=r"too short|not a delete vector"):
            DeleteVector.decode(body)


BINDINGS: dict[str, Callable[[VectorRow, SegmentId], tuple[VectorRow, SegmentId]]] = {
    "another version": lambda row, identity: (replace(row, version=2), identity),
    "another DEK": lambda row, identity: (replace(row, dek="other"), identity),
    "another segment": lambda row, identity: (row, SegmentId(origin=ID.origin, table=ID.table, segment="x" * 32)),
    "another table": lambda row, identity: (row, SegmentId(origin=ID.origin, table="x" * 32, segment=ID.segment)),
    "another cluster": lambda row, identity: (row, SegmentId(origin="x" * 32, table=ID.table, segment=ID.segment)),
    "another count of rows in clear": lambda row, identity: (replace(row, rows=1), identity),
    "a bit": lambda row, identity: (replace(row, body=row.body[:-1] + bytes([row.body[-1] ^ 1])), identity),
    "cut short": lambda row, identity: (replace(row, body=row.body[:-1]), identity),
    "taken for a plain one": lambda row, identity: (replace(row, dek=None), identity),
}


@pytest.mark.parametrize("change", BINDINGS.values(), ids=BINDINGS.keys())
def test_a_sealed_vector_opens_as_what_it_was_only(
    change: Callable[[VectorRow, SegmentId], tuple[VectorRow, SegmentId]],
) -> None:
    vector = DeleteVector.none(100).joined(marks(100, [3, 99]))
    with DataKey.generate(RANDOM) as key, DataKey.generate(RANDOM) as other:
        body = seal_vector(vector, ID, 1, dek="d", key=key, random=RANDOM)
        row = VectorRow(segment=ID.segment, version=1, rows=2, dek="d", body=body)
        assert open_vector(row, ID, key=key, rows=100) == vector
        changed, identity = change(row, ID)
        for rows, opening in ((100, key), (100, other), (101, key), (100, None)):
            with pytest.raises(DamagedStore):
                open_vector(changed, identity, key=opening, rows=rows)


@pytest.fixture(name="flights", params=["sealed", "plain"])
def with_deleted_rows(world: World, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> World:
    """Three segments of several row groups; one in three rows is deleted, of the last segment none."""
    monkeypatch.setattr(tabular, "ROW_GROUP_ROWS", 500)
    monkeypatch.setattr(tabular, "BLOCK_BYTES", 4096)
    world.create(OWNED if request.param == "sealed" else NONE)
    for number in range(3):
        rows = "".join(f"{place},{number},CANARY-{place}\n" for place in range(number * 2000, number * 2000 + 2000))
        world.load(world.file(f"{number}.csv", f"id,part,note\n{rows}"))
    run(world, "DELETE FROM flights WHERE id % 3 = 0 AND part < 2")
    return world


LIVE = [number for number in range(6000) if number % 3 or number >= 4000]


def test_marked_rows_are_in_no_answer(flights: World) -> None:
    assert flights.select("SELECT count(*), sum(id), min(id) FROM flights") == [(len(LIVE), sum(LIVE), 1)]
    assert [row[0] for row in flights.select("SELECT id FROM flights WHERE note = 'CANARY-7' OR id IN (3, 4)")] == [
        4,
        7,
    ]
    assert flights.select("SELECT part, count(*) FROM flights WHERE id >= 1990 GROUP BY 1 ORDER BY 1") == [
        *((0, 7), (1, 1333), (2, 2000)),
    ]


def test_filters_and_projections_still_reach_the_blocks(flights: World) -> None:
    """What is asked for is all that is decrypted of a segment with deleted rows, too."""
    site, seen = site_of(flights), []
    cluster = cluster_named(site, "sales")
    with opened(site, cluster.uid, "it") as deks:
        state = look(site, cluster, tables_of(site, cluster), deks)["flights"]
        for columns, condition in ((["id"], None), (["note"], pads.field("id") == 1), (None, None)):
            reading = Reading(site.segments)
            found = LiveRows(
                reading,
                {one.uid: state.readable(one, deks) for one in state.segments},
                {one.uid: vector for one in state.segments if (vector := state.vector(one, deks)) is not None},
            )
            table = found.scanner(columns=columns, filter=condition).to_table()
            seen.append((table.column_names, table.num_rows, len({one.name for one in reading._stored})))
            reading.close()
            assert reading.failure is None
    assert seen[0][:2] == (["id"], len(LIVE))
    assert seen[1] == (["note"], 1, 1), "segments that cannot hold the row are not opened"
    assert seen[2][:2] == (["id", "part", "note"], len(LIVE))


def test_places_are_counted_over_row_groups_that_are_left_out(flights: World) -> None:
    site = site_of(flights)
    cluster = cluster_named(site, "sales")
    places = Places(segment="s", row="r")
    with opened(site, cluster.uid, "it") as deks:
        state: TableState = look(site, cluster, tables_of(site, cluster), deks)["flights"]
        reading = Reading(site.segments)
        rows = state.dataset(reading, deks, places)
        one = rows.scanner(columns=["s", "r"], filter=pads.field("id") == 3901).to_table()
        every = rows.scanner(columns=["s", "r", "id"]).to_table().to_pydict()
        bounded = rows.scanner(columns=["id"], filter=pads.field("r") == pa.scalar(1901, pa.int64())).to_table()
        reading.close()
    assert one.to_pydict() == {"s": [1], "r": [1901]}
    assert [segment * 2000 + row for segment, row in zip(every["s"], every["r"], strict=True)] == every["id"] == LIVE
    assert bounded.to_pydict() == {"id": [1901, 3901, 5901]}


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE segment SET delete_vector = NULL",
        "UPDATE segment SET delete_vector = (SELECT max(id) FROM delete_vector) WHERE delete_vector IS NOT NULL",
        "UPDATE segment SET delete_vector = (SELECT min(id) FROM delete_vector) WHERE delete_vector IS NULL",
        "UPDATE delete_vector SET version = version + 1",
        "UPDATE delete_vector SET rows = rows - 1",
        "UPDATE delete_vector SET dek = NULL; UPDATE delete_vector SET body = zeroblob(9)",
        "UPDATE delete_vector SET body = (SELECT body FROM delete_vector ORDER BY id LIMIT 1)",
        "UPDATE delete_vector SET body = substr(body, 1, length(body) - 1)",
    ],
)
def test_a_vector_that_was_changed_outside_is_refused(flights: World, tampering: str) -> None:
    with site_of(flights).catalogue.write() as catalogue:
        for one in tampering.split(";"):
            catalogue.execute(one)
    for act in (
        lambda: flights.select("SELECT count(*) FROM flights"),
        lambda: run(flights, "DELETE FROM flights WHERE id = 1"),
    ):
        with pytest.raises(DamagedStore):
            act()


def test_a_segment_of_another_size_is_not_scanned_beyond(monkeypatch: pytest.MonkeyPatch, world: World) -> None:
    """A table that takes several segments is updated as a whole."""
    monkeypatch.setattr(parquet_segments, "SEGMENT_BYTES", 8192)
    monkeypatch.setattr(tabular, "ROW_GROUP_ROWS", 1000)
    monkeypatch.setattr(tabular, "BLOCK_BYTES", 8192)
    world.create(OWNED)
    world.load(world.file("a.csv"))
    assert run(world, "UPDATE flights SET delay = id").rows_changed == 5000
    assert world.select("SELECT count(*), sum(delay), sum(id) FROM flights") == [(5000, 12497500.0, 12497500)]


def test_verify_opens_each_vector_and_tries_it_with_wrong_keys(flights: World) -> None:
    flights.warehouse().create_snapshot(flights.caller, "sales", "snap", retention_days=1, token="snap")
    run(flights, "DELETE FROM flights WHERE id = 5")
    site = site_of(flights)
    cluster = cluster_named(site, "sales")
    with opened(site, cluster.uid, "it") as deks:
        live = list(vectors(site, "cluster", cluster.uid, "sales", cluster.uid, cluster.dek, deks))
        (snapshot,) = flights.warehouse().describe_snapshots(flights.caller, ["snap"])
        kept = list(vectors(site, "snapshot", snapshot.uid, "snap", cluster.uid, cluster.dek, deks))
        assert {one.what: one.count for one in live} == {
            **{DELETE_VECTORS: 2},
            **({REFUSALS: 6} if cluster.dek else {}),
        }
        assert {one.what: one.count for one in kept} == {one.what: one.count for one in live}
        with site.catalogue.write() as catalogue:
            catalogue.execute("UPDATE delete_vector SET version = version + 7, body = substr(body, 2)")
        assert [one.what for one in vectors(site, "cluster", cluster.uid, "sales", cluster.uid, cluster.dek, deks)] == [
            DELETE_VECTORS,
            DELETE_VECTORS,
        ]
