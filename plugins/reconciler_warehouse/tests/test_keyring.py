"""The key ring's switch: all holders or none, from the key that it was prepared from, and never without a DEK (I1)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.errors import ConflictException
from reconciler.providers.data import RootKind
from reconciler_warehouse.keyring import (
    Cek,
    Holding,
    add_cek,
    add_holding,
    cek_of,
    drop_holder,
    holdings,
    keyring,
    retake,
    staging,
    take,
)

ROOT = "arn:aws:kms:eu-west-1:111122223333:key/k1"


@pytest.fixture
def ring(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A cluster whose DEK ``d1`` is under CEK ``old``, and a snapshot that points at the same."""
    store = keyring(tmp_path)
    with store.write() as connection:
        stage(connection, "old", {"cluster": ["d1"], "snapshot": ["d1"]}, operation="create", grant="g-old")
        take(connection, {"cluster": "old", "snapshot": "old"}, {"cluster": None, "snapshot": None})
        yield connection
    store.close()


def stage(
    ring: sqlite3.Connection, uid: str, deks: dict[str, list[str]], *, operation: str, grant: str | None = None
) -> None:
    add_cek(
        ring,
        Cek(
            uid=uid,
            material=uid,
            operation=operation,
            origin="cluster",
            root_kind=RootKind.KMS,
            root_arn=ROOT,
            context={},
            grant_id=grant,
            wrapped=b"wrapped",
            made_at="2026-11-21T00:00:00+00:00",
        ),
    )
    for holder, held in deks.items():
        for dek in held:
            add_holding(ring, Holding(holder=holder, cek=uid, dek=dek, wrapped=b"wrapped"))


def pointers(ring: sqlite3.Connection) -> dict[str, str]:
    return dict(ring.execute("SELECT uid, cek FROM holder").fetchall())


def test_a_switch_that_was_overtaken_by_one_that_kept_the_deks_is_refused(ring: sqlite3.Connection) -> None:
    """Nothing would be lost by it, but the cluster would silently be back under the root that it just left."""
    stage(ring, "slow", {"cluster": ["d1", "d2"]}, operation="rotate")
    stage(ring, "quick", {"cluster": ["d1"]}, operation="switch")
    take(ring, {"cluster": "quick"}, {"cluster": "old"})
    with pytest.raises(ConflictException):
        take(ring, {"cluster": "slow"}, {"cluster": "old"})
    assert pointers(ring) == {"cluster": "quick", "snapshot": "old"}


@pytest.mark.parametrize("deks", [[], ["d2"]], ids=["none", "only the new one"])
def test_a_switch_that_would_lose_a_dek_is_refused(ring: sqlite3.Connection, deks: list[str]) -> None:
    stage(ring, "new", {"cluster": deks}, operation="rotate")
    with pytest.raises(ConflictException):
        take(ring, {"cluster": "new"}, {"cluster": "old"})
    assert [one.dek for one in holdings(ring, "cluster", "old")] == ["d1"]


def test_one_holder_that_moved_on_keeps_all_from_being_switched(ring: sqlite3.Connection) -> None:
    stage(ring, "c", {"cluster": ["d1"]}, operation="switch")
    stage(ring, "s", {"snapshot": ["d1"]}, operation="switch")
    with pytest.raises(ConflictException):
        take(ring, {"cluster": "c", "snapshot": "s"}, {"cluster": "old", "snapshot": "another"})
    assert pointers(ring) == {"cluster": "old", "snapshot": "old"}


def test_what_nobody_points_at_is_staged_and_nothing_else_is(ring: sqlite3.Connection) -> None:
    assert staging(ring) == {}
    stage(ring, "c", {"cluster": ["d1"]}, operation="switch")
    stage(ring, "s", {"snapshot": ["d1"]}, operation="switch")
    assert staging(ring) == {"switch": ["c", "s"]}
    take(ring, {"cluster": "c"}, {"cluster": "old"})
    assert staging(ring) == {"switch": ["s"]}
    assert cek_of(ring, "snapshot") is not None


def test_a_holder_that_left_meanwhile_is_left_out_of_the_switch(ring: sqlite3.Connection) -> None:
    stage(ring, "c", {"cluster": ["d1"]}, operation="switch")
    stage(ring, "s", {"snapshot": ["d1"]}, operation="switch")
    drop_holder(ring, "snapshot")
    assert staging(ring) == {"switch": ["c", "s"]}  # the cluster's change goes on
    retake(ring, {"cluster": "c", "snapshot": "s"}, {"cluster": "old", "snapshot": "old"})
    assert (pointers(ring), staging(ring)) == ({"cluster": "c"}, {})


def test_a_cluster_that_is_gone_takes_what_was_staged_for_it_and_leaves_its_snapshots_keys(
    ring: sqlite3.Connection,
) -> None:
    stage(ring, "c", {"cluster": ["d1"]}, operation="switch")
    drop_holder(ring, "cluster")
    assert (pointers(ring), staging(ring)) == ({"snapshot": "old"}, {})
    assert [one.dek for one in holdings(ring, "snapshot", "old")] == ["d1"]


def test_a_grant_is_let_go_with_the_last_key_that_rests_on_it(ring: sqlite3.Connection) -> None:
    stage(ring, "c", {"cluster": ["d1"]}, operation="switch", grant="g-new")
    take(ring, {"cluster": "c"}, {"cluster": "old"})
    assert ring.execute("SELECT grant_id FROM retiring").fetchall() == []  # the snapshot's key rests on it
    drop_holder(ring, "snapshot")
    assert ring.execute("SELECT grant_id FROM retiring").fetchall() == [("g-old",)]
