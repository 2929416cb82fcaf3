"""A snapshot becomes a cluster, or a table: references only, keys of its own, no data written (RE11, I6)."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any
from unittest.mock import patch

import pytest

from reconciler.errors import (
    AlreadyExistsException,
    DamagedStore,
    InvalidClusterStateFault,
    ReconcilerError,
    ResourceNotFoundException,
    ValidationException,
)
from reconciler.providers.data import ClusterDescription, ClusterRequest, LoadedTable, Root, RootKind
from reconciler.providers.proofs import KEY_TABLES
from reconciler.providers.warehouse import RestoresSnapshots
from reconciler_softkms import SoftKms
from reconciler_warehouse.tests.statement_worlds import run
from reconciler_warehouse.tests.test_proving import Looking, counted, failures
from reconciler_warehouse.tests.worlds import HERE, NONE, OWNED, THERE, World, silent

QUESTION = "SELECT count(*), sum(id), min(tail), max(tail) FROM flights"
ANSWER = [(5000, 12497500, "CANARY-TAIL-00000", "CANARY-TAIL-04999")]


def restore(
    world: World, root: Root, name: str = "again", snapshot: str = "snap", region: str = HERE
) -> ClusterDescription:
    request = ClusterRequest(name=name, node_type="ra3.large", nodes=1, database="dev", root=root)
    token = f"restore/{name}"
    return world.warehouse(region).restore_cluster(world.caller, request, snapshot, progress=silent, token=token)


def restore_table(world: World, name: str = "back", snapshot: str = "snap") -> LoadedTable:
    token = f"table/{name}"
    return world.warehouse().restore_table(
        world.caller, "sales", snapshot, "flights", name, progress=silent, token=token
    )


def take(world: World, name: str = "snap", cluster: str = "sales") -> Any:
    return world.warehouse().create_snapshot(world.caller, cluster, name, retention_days=None, token=f"take/{name}")


def ask(world: World, cluster: str, region: str = HERE) -> list[tuple[Any, ...]]:
    return world.warehouse(region).select(world.caller, cluster, QUESTION).rows


def rotate(world: World, cluster: str) -> None:
    world.warehouse().rotate_encryption_key(world.caller, cluster, progress=silent, token="rotate")


def modify(world: World, root: Root, cluster: str = "sales") -> None:
    token = f"modify/{root.kind}"
    world.warehouse().modify_encryption(world.caller, cluster, root, progress=silent, token=token)


def k1(world: World) -> Root:
    return world.key("k1")


def k2(world: World) -> Root:
    return world.key("k2")


def owned(world: World) -> Root:
    return OWNED


def none(world: World) -> Root:
    return NONE


def partition(world: World) -> Root:
    return world.partition("a")


@pytest.fixture
def sales(world: World) -> World:
    """A cluster under k1, with rows, and a snapshot of it."""
    world.create(k1(world))
    world.load(world.file("a.csv"))
    take(world)
    return world


def test_a_warehouse_restores(world: World) -> None:
    assert isinstance(world.warehouse(), RestoresSnapshots)


@pytest.mark.parametrize("root", [k1, k2, owned, partition], ids=lambda root: root.__name__)
@pytest.mark.parametrize("of", [k1, partition], ids=lambda root: root.__name__)
def test_a_restored_cluster_answers_as_its_snapshot_and_writes_no_data(
    world: World, of: Callable[[World], Root], root: Callable[[World], Root]
) -> None:
    world.create(of(world))
    world.load(world.file("a.csv"))
    take(world)
    before = world.data_files()
    made = restore(world, root(world))
    assert (made.status, made.root.kind, made.name) == ("available", root(world).kind, "again")
    assert ask(world, "again") == ask(world, "sales") == ANSWER
    assert world.data_files() == before
    world.reopen()
    assert ask(world, "again") == ANSWER


def test_it_has_other_keys_than_the_cluster_that_the_snapshot_was_taken_of(sales: World) -> None:
    (source,) = sales.warehouse().describe_clusters(sales.caller, ["sales"])
    made = restore(sales, k1(sales))
    assert made.dek_id not in (None, source.dek_id)
    assert made.cek_id not in (None, source.cek_id)
    assert made.uid != source.uid


def test_what_is_written_later_is_under_a_key_that_the_snapshot_never_had(sales: World) -> None:
    made = restore(sales, k1(sales))
    sales.load(sales.file("more.csv", "id,tail,delay\n7,late,1.5\n"), name="again")
    with sales.warehouse()._site.catalogue.read() as catalogue:
        assert catalogue is not None
        rows = catalogue.execute(
            """SELECT k.dek FROM segment s JOIN data_table t ON t.uid = s.data_table
               JOIN key_table k ON k.id = s.key_table
               WHERE t.cluster = ? ORDER BY s.ordinal""",
            (made.uid,),
        ).fetchall()
    (source,) = sales.warehouse().describe_clusters(sales.caller, ["sales"])
    assert rows == [(source.dek_id,), (made.dek_id,)]
    assert ask(sales, "again") == [(5001, 12497507, "CANARY-TAIL-00000", "late")]
    assert ask(sales, "sales") == ANSWER


def noting(inner: Callable[..., Any], asked: list[str]) -> Callable[..., Any]:
    def call(*given: Any, **named: Any) -> Any:
        asked.append(inner.__name__)
        return inner(*given, **named)

    return call


def test_a_restart_asks_the_key_service_once(sales: World) -> None:
    restore(sales, k2(sales))
    sales.load(sales.file("more.csv", "id,tail,delay\n7,late,1.5\n"), name="again")
    sales.reopen()
    asked: list[str] = []
    with patch.object(SoftKms, "decrypt", autospec=True, side_effect=noting(SoftKms.decrypt, asked)):
        assert ask(sales, "again")[0][0] == 5001
    assert asked == ["decrypt"]


def test_files_that_were_loaded_are_not_loaded_again(sales: World) -> None:
    made = restore(sales, k1(sales))
    (source,) = sales.warehouse().describe_clusters(sales.caller, ["sales"])
    assert [(one.name, one.rows, one.loads) for one in made.tables] == [
        (one.name, one.rows, one.loads) for one in source.tables
    ]
    sales.load(sales.file("a.csv"), name="again")
    assert ask(sales, "again") == ANSWER


def test_tables_that_are_in_no_backup_are_not_restored(sales: World) -> None:
    sales.load(sales.file("scratch.csv", "id\n1\n"), table="scratch", backup=False)
    take(sales, "second")
    made = restore(sales, k1(sales), snapshot="second")
    assert [one.name for one in made.tables] == ["flights"]


def test_it_lives_on_when_cluster_and_snapshot_are_gone(sales: World) -> None:
    restore(sales, k2(sales))
    sales.warehouse().delete_cluster(sales.caller, "sales")
    sales.warehouse().delete_snapshot(sales.caller, "snap")
    sales.reopen()
    assert ask(sales, "again") == ANSWER
    assert sales.keys().list_grants(sales.caller, str(k1(sales).key_arn)) == []
    sales.warehouse().delete_cluster(sales.caller, "again")
    assert sales.data_files() == {}


def off_and_on(world: World) -> None:
    modify(world, NONE, "again")
    modify(world, OWNED, "again")


CHANGES: dict[str, Callable[[World], None]] = {
    "rotate": lambda world: rotate(world, "again"),
    "rotate the source": lambda world: rotate(world, "sales"),
    "switch": lambda world: modify(world, k2(world), "again"),
    "into an HSM": lambda world: modify(world, partition(world), "again"),
    "decrypt": lambda world: modify(world, NONE, "again"),
    "decrypt the source": lambda world: modify(world, NONE),
    "decrypt and encrypt": off_and_on,
    "rename": lambda world: (world.warehouse().rename_cluster(world.caller, "again", "x", token="x"), None)[1],
    "load": lambda world: (world.load(world.file("m.csv", "id,tail,delay\n1,a,1.0\n"), name="again"), None)[1],
    "drop the source": lambda world: world.warehouse().delete_cluster(world.caller, "sales"),
}


@pytest.mark.parametrize(
    ("root", "change"),
    [
        *(pytest.param(k1, change, id=name) for name, change in CHANGES.items()),
        *(pytest.param(partition, CHANGES[name], id=f"hsm-{name}") for name in ("rotate", "switch", "decrypt", "load")),
    ],
)
def test_a_restored_cluster_is_changed_like_any_other(
    sales: World, change: Callable[[World], None], root: Callable[[World], Root]
) -> None:
    restore(sales, root(sales))
    change(sales)
    name = "again" if sales.warehouse().describe_clusters(sales.caller, ["again"]) else "x"
    rows = ask(sales, name)
    assert rows[0][0] in (5000, 5001)
    take(sales, "second", name)
    if change is not CHANGES["drop the source"]:
        assert ask(sales, "sales") == ANSWER
    restore(
        sales,
        OWNED if sales.warehouse().describe_clusters(sales.caller, [name])[0].encrypted else NONE,
        "third",
        "second",
    )
    assert ask(sales, "third") == rows


def test_a_snapshot_of_a_restored_cluster_is_copied_and_restored_there(sales: World) -> None:
    """Three generations of ids: made in one cluster, restored into another, copied, restored again."""
    restore(sales, k2(sales))
    sales.load(sales.file("more.csv", "id,tail,delay\n7,late,1.5\n"), name="again")
    take(sales, "second", "again")
    there = sales.warehouse(THERE)
    sales.warehouse().enable_snapshot_copy(sales.caller, "again", there, grant=None, retention_days=7)
    sales.warehouse().copy_snapshot(sales.caller, "second", there, progress=silent, token="copy")
    made = restore(sales, OWNED, "far", "second", THERE)
    assert made.root == OWNED
    assert ask(sales, "far", THERE) == ask(sales, "again") == [(5001, 12497507, "CANARY-TAIL-00000", "late")]
    assert there.restore_cluster is not None
    sales.warehouse().delete_cluster(sales.caller, "again")
    assert ask(sales, "far", THERE)[0][0] == 5001


def test_a_plaintext_snapshot_becomes_an_encrypted_cluster(world: World) -> None:
    world.create(NONE)
    world.load(world.file("a.csv"))
    take(world)
    made = restore(world, k1(world))
    assert (made.root.kind, made.status, made.encrypted) == (RootKind.KMS, "available", True)
    assert ask(world, "again") == ask(world, "sales") == ANSWER
    world.warehouse().delete_cluster(world.caller, "sales")
    world.warehouse().delete_snapshot(world.caller, "snap")
    assert not [name for name, content in world.data_files().items() if b"CANARY" in content or b"PAR1" in content]


def test_a_plaintext_snapshot_becomes_a_plaintext_cluster(world: World) -> None:
    world.create(NONE)
    world.load(world.file("a.csv"))
    take(world)
    assert restore(world, NONE).root == NONE
    assert ask(world, "again") == ANSWER


def test_a_sealed_snapshot_is_not_restored_into_the_clear(sales: World) -> None:
    with pytest.raises(InvalidClusterStateFault, match="is encrypted"):
        restore(sales, NONE)
    assert sales.warehouse().describe_clusters(sales.caller, ["again"]) == []


@pytest.mark.parametrize(
    ("error", "call"),
    {
        "a name in use": (AlreadyExistsException, lambda world: restore(world, OWNED, "sales")),
        "no such snapshot": (ResourceNotFoundException, lambda world: restore(world, OWNED, snapshot="nothing")),
        "no such table": (
            ResourceNotFoundException,
            lambda world: world.warehouse().restore_table(
                world.caller, "sales", "snap", "nothing", "back", progress=silent, token="t"
            ),
        ),
        "a table that is there": (AlreadyExistsException, lambda world: restore_table(world, "flights")),
        "a name like a path": (ValidationException, lambda world: restore_table(world, "../x")),
        "another cluster's snapshot": (
            ValidationException,
            lambda world: (
                restore(world, OWNED),
                take(world, "other", "again"),
                restore_table(world, snapshot="other"),
            ),
        ),
    }.values(),
)
def test_refusals(sales: World, error: type[ReconcilerError], call: Callable[[World], object]) -> None:
    with pytest.raises(error):
        call(sales)
    assert ask(sales, "sales") == ANSWER


def test_the_same_call_again_changes_nothing_more(sales: World) -> None:
    first = restore(sales, k1(sales))
    sales.warehouse().delete_snapshot(sales.caller, "snap")
    assert restore(sales, k1(sales)) == first
    take(sales)
    table = restore_table(sales)
    sales.warehouse().delete_snapshot(sales.caller, "snap")
    assert restore_table(sales) == table


def test_a_table_comes_back_beside_what_is_there(sales: World) -> None:
    sales.warehouse().replace_table(
        sales.caller, "sales", "flights", [sales.file("b.csv", "id,tail,delay\n1,x,1.0\n")], progress=silent, token="r"
    )
    before = sales.data_files()
    made = restore_table(sales)
    assert (made.name, made.rows) == ("back", 5000)
    assert sales.data_files() == before
    assert sales.select("SELECT count(*) FROM flights") == [(1,)]
    assert sales.select(QUESTION.replace("flights", "back")) == ANSWER
    sales.warehouse().delete_snapshot(sales.caller, "snap")
    rotate(sales, "sales")
    assert sales.select(QUESTION.replace("flights", "back")) == ANSWER


@pytest.mark.parametrize("change", ["rotate", "switch", "off and on"])
def test_a_table_of_a_snapshot_from_under_other_keys_comes_under_those_of_now(sales: World, change: str) -> None:
    if change == "rotate":
        rotate(sales, "sales")
    else:
        modify(sales, partition(sales) if change == "switch" else NONE)
    if change == "off and on":
        modify(sales, OWNED)
    restore_table(sales)
    with sales.warehouse()._site.keyring.read() as ring:
        assert ring is not None
        (source,) = sales.warehouse().describe_clusters(sales.caller, ["sales"])
        assert ring.execute("SELECT dek FROM holding WHERE holder = ?", (source.uid,)).fetchall() == [(source.dek_id,)]
    sales.warehouse().delete_snapshot(sales.caller, "snap")
    assert sales.select(QUESTION.replace("flights", "back")) == ANSWER


def test_a_table_of_a_plaintext_snapshot_is_refused_to_an_encrypted_cluster(world: World) -> None:
    """RE11."""
    world.create(NONE)
    world.load(world.file("a.csv"))
    take(world)
    assert restore_table(world, "early").rows == 5000
    modify(world, OWNED)
    with pytest.raises(InvalidClusterStateFault, match="RE11"):
        restore_table(world)


def test_a_table_of_a_sealed_snapshot_is_refused_to_a_cluster_in_clear(sales: World) -> None:
    modify(sales, NONE)
    with pytest.raises(InvalidClusterStateFault, match="in clear"):
        restore_table(sales)


def test_deleted_rows_stay_deleted(sales: World) -> None:
    """Delete vectors are a part of snapshots, and go with them wherever they go."""
    run(sales, "DELETE FROM flights WHERE id >= 10")
    run(sales, "INSERT INTO flights (id, tail, delay) VALUES (77, 'small', 1.5)")
    take(sales, "second")
    run(sales, "DELETE FROM flights WHERE id < 5")
    left = [(11, 122, "CANARY-TAIL-00000", "small")]
    restore(sales, partition(sales), snapshot="second")
    assert ask(sales, "again") == left
    rotate(sales, "again")
    assert ask(sales, "again") == left
    restore_table(sales, snapshot="second")
    assert sales.select(QUESTION.replace("flights", "back")) == left
    there = sales.warehouse(THERE)
    sales.warehouse().enable_snapshot_copy(sales.caller, "sales", there, grant=None, retention_days=7)
    sales.warehouse().copy_snapshot(sales.caller, "second", there, progress=silent, token="copy")
    restore(sales, OWNED, "far", "second", THERE)
    assert ask(sales, "far", THERE) == left


def test_every_proof_holds_for_what_was_restored(sales: World) -> None:
    """Blocks, key tables and manifests under the ids that they were made with."""
    sales.load(sales.file("more.csv", "id,tail,delay\n7,late,1.5\n"))
    take(sales, "second")
    restore(sales, k2(sales), snapshot="second")
    restore_table(sales)
    take(sales, "third", "again")
    warehouse = sales.warehouse()
    for name, root in (("sales", k1(sales)), ("again", k2(sales))):
        found = list(warehouse.prove_cluster(sales.caller, name, root, Looking(is_full=True)))
        assert failures(found) == []
        assert counted(found, KEY_TABLES) >= 2
    assert failures(list(warehouse.prove_snapshot(sales.caller, "third", k2(sales), Looking(is_full=True)))) == []
    assert failures(list(warehouse.prove_store(sales.caller, Looking()))) == []


TAMPERINGS = {
    "another moment": "UPDATE snapshot SET moment = moment + 1",
    "another cluster's": "UPDATE snapshot SET cluster_uid = '{0}', origin = '{0}'",
    "a load less": "DELETE FROM snapshot_load",
    "another digest": "UPDATE snapshot_load SET digest = '{0}'",
    "a table less": "DELETE FROM snapshot_table",
    "a table's name": "UPDATE snapshot_table SET name = 'x'",
    "a row count": "UPDATE past_segment SET rows = rows + 1",
    "an order": "UPDATE past_segment SET ordinal = ordinal + 1",
    "a segment less": "DELETE FROM past_segment",
    "kept for longer": "UPDATE past_segment SET born = born + 100",
    "other ids": "UPDATE past_segment SET identity = '{0}/{0}/{0}'",
    "another page": "UPDATE manifest_page SET digest = zeroblob(32)",
    "no encryption": "UPDATE snapshot SET dek = NULL",
    "an older version": "UPDATE snapshot SET manifest_version = 0",
}


@pytest.mark.parametrize("statement", TAMPERINGS.values(), ids=TAMPERINGS)
def test_what_was_changed_outside_is_not_restored(sales: World, statement: str) -> None:
    """I7, T9. The segments of the snapshot are past: their key tables were sealed anew since."""
    rotate(sales, "sales")
    sales.reopen()
    with closing(sqlite3.connect(sales.folder() / "catalogue.db", isolation_level=None)) as catalogue:
        catalogue.executescript(statement.format("ab" * 16))
    with pytest.raises((DamagedStore, ResourceNotFoundException, ValidationException)):
        restore(sales, OWNED)
    with pytest.raises((DamagedStore, ResourceNotFoundException, ValidationException, InvalidClusterStateFault)):
        restore_table(sales)
    assert sales.warehouse().describe_clusters(sales.caller, ["again"]) == []
    if "manifest_page" not in statement:
        assert ask(sales, "sales") == ANSWER


def test_a_cluster_that_goes_tells_what_becomes_of_its_snapshots(sales: World) -> None:
    """RO3."""
    sales.warehouse().delete_cluster(sales.caller, "sales")
    (told, *_) = sales.warehouse().events("sales")
    assert "the keys of 1 of them can no longer be rotated" in told.message


def test_the_event_is_told(sales: World) -> None:
    restore(sales, OWNED)
    restore_table(sales)
    told = [one.message for one in sales.warehouse().events("again")]
    assert any("restored from snapshot snap" in message for message in told)
    told = [one.message for one in sales.warehouse().events("sales")]
    assert any("was restored as back" in message for message in told)
    assert any("snapshot snap was taken" in message for message in told)
