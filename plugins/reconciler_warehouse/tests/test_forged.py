"""Rows that nobody here wrote lead nothing astray: not data to plaintext or to another key, not the sweep to files that
are not leftovers (I9, I18, T12). Whoever writes them can write the disk, but has no key."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from reconciler.errors import DamagedStore, ReconcilerError, ThrottlingException
from reconciler.host.os_fs import OsFs
from reconciler.providers.data import Root, RootKind
from reconciler.testing.failing_provider import failing_provider
from reconciler.testing.fault import Fault
from reconciler_warehouse import manifest
from reconciler_warehouse.tests.test_crashes import opened
from reconciler_warehouse.tests.test_tampering import change
from reconciler_warehouse.tests.worlds import CSV, NONE, THERE, World, silent

QUESTION = "SELECT count(*) FROM flights"
CALLS: dict[str, Callable[[World], object]] = {
    "load": lambda world: world.load(world.file("more.csv", CSV.replace("CANARY", "SECOND"))),
    "snapshot": lambda world: world.warehouse().create_snapshot(
        world.caller, "sales", "snap", retention_days=None, token="snap"
    ),
    "rotate": lambda world: world.warehouse().rotate_encryption_key(
        world.caller, "sales", progress=silent, token="rotate"
    ),
}


def root_of(world: World) -> object:
    (cluster,) = world.warehouse().describe_clusters(world.caller, ["sales"])
    return cluster.root


def forged(verb: str, facts: str) -> str:
    return f"""INSERT INTO operation (token, verb, cluster, facts, finished)
               SELECT 'forged', '{verb}', uid, {facts}, 0 FROM cluster"""  # noqa: S608  # words of this test


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
@pytest.mark.parametrize("verb", ["decrypt", "switch-key", "rotate"])
def test_a_change_that_was_never_begun_is_not_taken_up(
    world: World, call: Callable[[World], object], verb: str
) -> None:
    root, other = world.key("k1"), world.key("k2")
    world.create(root)
    world.load(world.file("a.csv"))
    before = world.data_files()
    facts = {
        "decrypt": """'{"kind": "none", "key": ""}'""",
        "switch-key": f"""'{{"kind": "kms", "key": "{other.key_arn}"}}'""",
        "rotate": """'{"dek": "' || dek || '"}'""",
    }
    change(world, "catalogue.db", forged(verb, facts[verb]))
    with pytest.raises(DamagedStore):
        call(world)
    assert world.data_files() == before
    assert root_of(world) == root
    assert world.select(QUESTION) == [(5000,)]


class Refusal(Fault):
    """The key service makes no new key."""

    def count(self, call: str) -> BaseException | None:
        return ThrottlingException("come again") if call == "generate_data_key" else None


def test_a_change_that_was_begun_goes_on_only_as_it_was_begun(world: World) -> None:
    """Stopped on the way from k1 to k2; somebody writes k3 into its row."""
    root, target, other = (world.key(name) for name in ("k1", "k2", "k3"))
    world.create(root)
    world.load(world.file("a.csv"))
    world.reopen()
    refusing = opened(world.home, world.files)
    fault = Refusal(lambda: ThrottlingException("come again"))
    refusing.wrap_keys = lambda inner: failing_provider(inner, fault)
    with pytest.raises(ThrottlingException):
        refusing.warehouse().modify_encryption(refusing.caller, "sales", target, progress=silent, token="switch")
    refusing.reopen()
    # Nothing is wrapped under k2 yet, but the cluster is on its way to it (I3).
    assert {use.key_arn for use in world.warehouse().key_uses()} == {root.key_arn, target.key_arn}
    change(world, "catalogue.db", f"UPDATE operation SET facts = replace(facts, '{target.key_arn}', '{other.key_arn}')")  # noqa: S608
    with pytest.raises(DamagedStore):
        CALLS["load"](world)
    assert root_of(world) == root
    change(world, "catalogue.db", f"UPDATE operation SET facts = replace(facts, '{other.key_arn}', '{target.key_arn}')")  # noqa: S608
    CALLS["load"](world)
    assert root_of(world) == target


@pytest.mark.parametrize("call", [*CALLS.values(), lambda world: world.select(QUESTION)], ids=[*CALLS, "select"])
def test_a_cluster_is_not_made_plain_by_its_row(world: World, call: Callable[[World], object]) -> None:
    """Without a DEK the manifest has no key, so anybody can make its tag; the key ring knows better."""
    world.create(world.key("k1"))
    world.load(world.file("a.csv"))
    world.reopen()
    with closing(sqlite3.connect(world.folder() / "catalogue.db", isolation_level=None)) as catalogue:
        (uid,) = catalogue.execute("SELECT uid FROM cluster").fetchone()
        catalogue.execute("UPDATE cluster SET dek = NULL")
        manifest.seal_new_cluster(catalogue, uid, {})
    with pytest.raises(ReconcilerError):
        call(world)
    assert not any(b"PAR1" in content for content in world.data_files().values())


def test_two_clusters_do_not_change_names(world: World) -> None:
    root = world.key("k1")
    for name in ("sales", "scratch"):
        world.create(root, name=name, call=name)
        world.load(world.file("a.csv"), name=name)
    change(
        world,
        "catalogue.db",
        "UPDATE cluster SET name = 'aside' WHERE name = 'sales'",
        "UPDATE cluster SET name = 'sales' WHERE name = 'scratch'",
        "UPDATE cluster SET name = 'scratch' WHERE name = 'aside'",
    )
    with pytest.raises(DamagedStore):
        world.select(QUESTION)


@pytest.mark.parametrize("table", ["trash (file) VALUES ('{}')", "pending (file, process) VALUES ('{}', 999999999)"])
@pytest.mark.parametrize("name", ["../keyring.db", "../../../../precious", "/{home}/precious"])
def test_the_sweep_removes_nothing_outside_its_folder(world: World, table: str, name: str) -> None:
    world.create(world.key("k1"))
    world.load(world.file("a.csv"))
    (world.home / "precious").write_text("precious")
    change(world, "catalogue.db", "INSERT INTO " + table.format(name.format(home=world.home)))
    with pytest.raises(DamagedStore):
        CALLS["load"](world)
    assert (world.home / "precious").exists()
    assert (world.folder() / "keyring.db").exists()


@pytest.mark.parametrize("table", ["trash (file)", "pending (file)"])
def test_the_sweep_removes_no_file_that_is_referred_to(world: World, table: str) -> None:
    world.create(world.key("k1"))
    world.load(world.file("a.csv"))
    columns = table.replace(")", ", process)") if "pending" in table else table
    values = "SELECT file, 999999999 FROM segment" if "pending" in table else "SELECT file FROM segment"
    change(world, "catalogue.db", f"INSERT INTO {columns} {values}")
    CALLS["load"](world)
    assert world.select(QUESTION) == [(10000,)]


class Synced(OsFs):
    """Notes in which order folders are made and synced."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Path]] = []

    def mkdir(self, path: Path) -> None:
        super().mkdir(path)
        self.calls.append(("mkdir", path))

    def fsync_dir(self, path: Path) -> None:
        super().fsync_dir(path)
        self.calls.append(("sync", path))


@pytest.mark.parametrize("was_there", [False, True], ids=["new", "made by a process that was killed before it synced"])
def test_the_folder_of_the_files_is_as_durable_as_they_are(world: World, was_there: bool) -> None:
    """A power loss that takes the folder takes every file in it (C2)."""
    world.create(NONE)
    world.reopen()
    world.fs = synced = Synced()
    if was_there:
        (world.folder() / "data").mkdir(mode=0o700)
    world.load(world.file("a.csv"))
    calls = synced.calls
    first_file = calls.index(("sync", world.folder() / "data"))
    assert ("sync", world.folder()) in calls[:first_file]
    assert was_there or calls.index(("mkdir", world.folder() / "data")) < calls.index(("sync", world.folder()))


def test_kinds_of_root_are_what_they_are_called(world: World) -> None:
    """The words in the forged rows above are those that the warehouse itself writes."""
    assert (str(RootKind.NONE), str(RootKind.KMS)) == ("none", "kms")


def copying(world: World, grant: str | None = "landing") -> None:
    """A cluster with a snapshot that is copied to the other Region, under k9 there."""
    world.create(world.key("k1"))
    world.load(world.file("a.csv"))
    take_snapshot(world, "snap")
    for name in ("landing", "other"):
        world.warehouse(THERE).create_snapshot_copy_grant(
            world.caller, name, world.key(f"{name} key", THERE), token=name
        )
    switch_on(world, grant)


def switch_on(world: World, grant: str | None) -> None:
    world.warehouse().enable_snapshot_copy(world.caller, "sales", world.warehouse(THERE), grant=grant, retention_days=7)


def take_snapshot(world: World, name: str) -> None:
    world.warehouse().create_snapshot(world.caller, "sales", name, retention_days=None, token=name)


def copy(world: World, name: str = "snap") -> Root:
    return (
        world.warehouse()
        .copy_snapshot(world.caller, name, world.warehouse(THERE), progress=silent, token=f"copy {name}")
        .root
    )


FORGED_COPIES = {
    "under the owned key": "UPDATE snapshot_copy SET grant_name = NULL, root_kind = 'owned', root_arn = NULL",
    "no grant, the root as it was": "UPDATE snapshot_copy SET grant_name = NULL",
    "another grant": "UPDATE snapshot_copy SET grant_name = 'other'",
    "no proof": "UPDATE snapshot_copy SET proof = NULL",
    "kept for longer": "UPDATE snapshot_copy SET retention_days = 3500",
}


@pytest.mark.parametrize("then", [copy, CALLS["rotate"]], ids=["copy", "rotate"])
@pytest.mark.parametrize("forgery", FORGED_COPIES.values(), ids=FORGED_COPIES.keys())
def test_a_copy_goes_only_where_it_was_switched_on_to(
    world: World, forgery: str, then: Callable[[World], object]
) -> None:
    copying(world)
    change(world, "catalogue.db", forgery)
    with pytest.raises(DamagedStore, match="switched on"):
        then(world)
    assert world.warehouse(THERE).describe_snapshots(world.caller) == []
    world.warehouse().disable_snapshot_copy(world.caller, "sales")
    switch_on(world, "landing")
    CALLS["rotate"](world)
    assert copy(world) == world.key("landing key", THERE)


def test_a_copy_is_not_received_under_another_key_than_its_grant_stood_for(world: World) -> None:
    copying(world)
    change(world, "keyring.db", "UPDATE copy_grant SET root_kind = 'owned', root_arn = NULL", region=THERE)
    with pytest.raises(ReconcilerError, match="no longer stands for the key"):
        copy(world)
    assert world.warehouse(THERE).describe_snapshots(world.caller) == []


def test_how_a_cluster_copies_outlives_rotation_switch_and_encryption(world: World) -> None:
    landing = world.key("landing key", THERE)
    world.create(NONE)
    world.load(world.file("a.csv"))
    world.warehouse(THERE).create_snapshot_copy_grant(world.caller, "landing", landing, token="landing")
    switch_on(world, "landing")
    for number, root in enumerate([world.key("k1"), world.key("k2")]):
        world.warehouse().modify_encryption(world.caller, "sales", root, progress=silent, token=f"root {number}")
        world.warehouse().rotate_encryption_key(world.caller, "sales", progress=silent, token=f"rotate {number}")
        take_snapshot(world, f"snap{number}")
        assert copy(world, f"snap{number}") == landing
    world.warehouse().modify_encryption(world.caller, "sales", NONE, progress=silent, token="off")
    take_snapshot(world, "plain")
    assert copy(world, "plain") == NONE
    with pytest.raises(ReconcilerError, match="no key vouches"):  # sealed, and its cluster has no key any more
        world.warehouse(THERE).delete_snapshot(world.caller, "snap1")
        copy(world, "snap1")
