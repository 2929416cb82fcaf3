"""The manifest in pages: what a commit touches is checked before and sealed after; what is read is checked."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest

from reconciler.errors import ConflictException, DamagedStore
from reconciler_warehouse import manifest
from reconciler_warehouse.keys.hierarchy import OpenDeks, opened
from reconciler_warehouse.site import Site
from reconciler_warehouse.tests.worlds import NONE, World

PAGED = 2 * manifest.PAGE_SEGMENTS + 1


@pytest.fixture
def sales(world: World) -> World:
    world.create(world.key("k1"))
    world.load(world.file("a.csv", "id\n1\n"), world.file("b.csv", "id\n2\n"))
    return world


def site_of(world: World) -> Site:
    return world.warehouse()._site


def rewrite(world: World, *statements: str) -> None:
    """Behind the warehouse's back."""
    world.reopen()
    with closing(sqlite3.connect(world.folder() / "catalogue.db", isolation_level=None)) as catalogue:
        for statement in statements:
            catalogue.execute(statement)


def uid_of(world: World) -> str:
    with site_of(world).catalogue.read() as catalogue:
        assert catalogue is not None
        return str(catalogue.execute("SELECT uid FROM cluster").fetchone()[0])


@contextmanager
def change(world: World) -> Iterator[tuple[sqlite3.Connection, manifest.Change, OpenDeks]]:
    site, uid = site_of(world), uid_of(world)
    with (
        opened(site, uid, "Cluster sales") as deks,
        site.catalogue.write() as catalogue,
        manifest.changing(catalogue, uid, deks) as changed,
    ):
        yield catalogue, changed, deks


def spread(world: World) -> None:
    """The second segment goes two pages on, as after many loads; sealed as the product does it."""
    with change(world) as (catalogue, changed, _):
        (table,) = catalogue.execute("SELECT uid FROM data_table").fetchone()
        changed.touch(table, [1, PAGED])
        catalogue.execute("UPDATE segment SET ordinal = ? WHERE ordinal = 1", (PAGED,))


TAMPERINGS = {
    "a row count": "UPDATE segment SET rows = 7 WHERE ordinal = {0}",
    "a size": "UPDATE segment SET bytes = bytes + 1 WHERE ordinal = {0}",
    "another owner's name for it": "UPDATE segment SET identity = 'a/b/c' WHERE ordinal = {0}",
    "an order": "UPDATE segment SET ordinal = {0} + 1 WHERE ordinal = {0}",
    "a segment that goes": "DELETE FROM segment WHERE ordinal = {0}",
    "a page that goes with it": "DELETE FROM manifest_page WHERE page = {0} / 256",
    "a page's digest": "UPDATE manifest_page SET digest = zeroblob(32) WHERE page = {0} / 256",
}


@pytest.mark.parametrize("tampering", TAMPERINGS.values(), ids=TAMPERINGS)
@pytest.mark.parametrize("ordinal", [0, PAGED])
def test_whatever_page_is_tampered_with_a_select_refuses(sales: World, tampering: str, ordinal: int) -> None:
    spread(sales)
    assert sales.select("SELECT count(*) FROM flights") == [(2,)]
    rewrite(sales, tampering.format(ordinal))
    with pytest.raises(DamagedStore, match="changed outside"):
        sales.select("SELECT count(*) FROM flights")


@pytest.mark.parametrize("call", ["load", "rotate"])
def test_a_change_elsewhere_does_not_seal_a_tampered_page_again(sales: World, call: str) -> None:
    spread(sales)
    rewrite(sales, "UPDATE segment SET rows = 7 WHERE ordinal = 0")
    calls: dict[str, Callable[[], object]] = {
        "load": lambda: sales.load(sales.file("c.csv", "id\n3\n")),
        "rotate": lambda: sales.warehouse().rotate_encryption_key(
            sales.caller, "sales", progress=lambda *_: None, token="r"
        ),
    }
    with pytest.raises(DamagedStore):
        calls[call]()
    with pytest.raises(DamagedStore):
        sales.select("SELECT count(*) FROM flights")


def test_a_snapshot_of_a_tampered_page_is_not_sealed_as_good(sales: World) -> None:
    """Taking one reads no segment; its pages are those that the cluster's root stands for, and whoever opens it
    refuses."""
    rewrite(sales, "UPDATE segment SET rows = 7 WHERE ordinal = 0")
    sales.warehouse().create_snapshot(sales.caller, "sales", "nightly", retention_days=None, token="s")
    site = site_of(sales)
    with site.catalogue.read() as catalogue:
        assert catalogue is not None
        (uid,) = catalogue.execute("SELECT uid FROM snapshot").fetchone()
    with (
        pytest.raises(DamagedStore, match="changed outside"),
        opened(site, uid, "Snapshot") as deks,
        site.catalogue.read() as catalogue,
    ):
        assert catalogue is not None
        manifest.check(catalogue, "snapshot", uid, "nightly", deks)


def test_a_page_is_checked_before_it_is_touched(sales: World) -> None:
    rewrite(sales, "UPDATE segment SET rows = 7 WHERE ordinal = 0")
    with pytest.raises(DamagedStore), change(sales) as (catalogue, changed, _):
        (table,) = catalogue.execute("SELECT uid FROM data_table").fetchone()
        changed.touch(table, [0])


def test_what_was_not_touched_is_not_sealed(sales: World) -> None:
    spread(sales)
    with change(sales) as (catalogue, _, _):
        catalogue.execute("UPDATE segment SET rows = 7 WHERE ordinal = 0")
    with pytest.raises(DamagedStore):
        sales.select("SELECT count(*) FROM flights")


def test_a_commit_of_what_was_sealed_under_another_key_is_refused(sales: World) -> None:
    with change(sales) as (catalogue, changed, _):
        (dek,) = catalogue.execute("SELECT dek FROM cluster").fetchone()
        changed.require_live(dek)
    for stale in (None, "0" * 32):
        with pytest.raises(ConflictException), change(sales) as (_, changed, _):
            changed.require_live(stale)


def test_a_page_without_segments_leaves(sales: World) -> None:
    spread(sales)
    with change(sales) as (catalogue, changed, _):
        (table,) = catalogue.execute("SELECT uid FROM data_table").fetchone()
        changed.touch(table, [PAGED])
        catalogue.execute("DELETE FROM segment WHERE ordinal = ?", (PAGED,))
        catalogue.execute("DELETE FROM load WHERE ordinal = 1")
    assert sales.select("SELECT id FROM flights") == [(1,)]
    with site_of(sales).catalogue.read() as read:
        assert read is not None
        assert read.execute("SELECT count(*) FROM manifest_page").fetchone() == (1,)


@pytest.mark.parametrize(
    "setting", ["escrow_arn = 'arn:aws:kms:eu-west-1:111122223333:key/evil'", "snapshot_every = 1", "name = 'other'"]
)
def test_settings_that_stand_in_the_manifest_are_not_changed_outside(sales: World, setting: str) -> None:
    rewrite(sales, f"UPDATE cluster SET {setting}")  # noqa: S608  # the test's own
    with pytest.raises(DamagedStore):
        sales.select("SELECT count(*) FROM flights", name="other" if "other" in setting else "sales")


def test_a_plain_clusters_manifest_tells_what_changed_by_accident(world: World) -> None:
    world.create(NONE)
    world.load(world.file("a.csv", "id\n1\n"))
    rewrite(world, "UPDATE segment SET rows = 7")
    with pytest.raises(DamagedStore):
        world.select("SELECT count(*) FROM flights")


def test_a_snapshots_manifest_is_its_own(sales: World) -> None:
    """Pages of the cluster go on; the snapshot's stay, and go with it."""
    sales.warehouse().create_snapshot(sales.caller, "sales", "nightly", retention_days=None, token="s")
    sales.load(sales.file("c.csv", "id\n3\n"))
    site = site_of(sales)
    with site.catalogue.read() as catalogue:
        assert catalogue is not None
        (snapshot,) = catalogue.execute("SELECT uid FROM snapshot").fetchone()
    with opened(site, snapshot, "Snapshot") as deks, site.catalogue.read() as catalogue:
        assert catalogue is not None
        manifest.check(catalogue, "snapshot", snapshot, "nightly", deks)
    sales.warehouse().delete_snapshot(sales.caller, "nightly")
    with site.catalogue.read() as catalogue:
        assert catalogue is not None
        assert catalogue.execute("SELECT count(*) FROM manifest_page WHERE holder = ?", (snapshot,)).fetchone() == (0,)
