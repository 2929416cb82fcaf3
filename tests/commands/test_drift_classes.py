"""Each drift class of CONTRACT 6 in a world of its own: what moved behind the state's back is found, nothing else."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from reconciler.commands.upkeep import do_due_work
from reconciler.envelope.data_key import DataKey
from reconciler.envelope.import_wrapping import ALGORITHM, WRAPPING_KEY_SPEC, wrap_for_import
from reconciler.model.drift import RULES
from reconciler.providers.data import Root, RootKind
from reconciler.providers.key_material import ImportsKeyMaterial
from reconciler.providers.keys import GrantRequest, KeyRequest
from reconciler.providers.warehouse import KeepsEscrow
from reconciler.testing.fakes import SeededRandom
from tests.commands.drifting import (
    ACCOUNT,
    APP,
    PLATFORM,
    PROVIDERS,
    SECURITY,
    Hands,
    applied,
    check_findings,
    cluster,
    drift,
    hands,
    table,
)
from tests.commands.worlds_of_hsms import HSM_WORLDS
from tests.world import World, document

EVERYBODY_HERE = f"arn:aws:iam::{ACCOUNT}:root"
ROOT = {"Effect": "Allow", "Principal": {"AWS": EVERYBODY_HERE}, "Action": "kms:*", "Resource": "*"}
ADMIN = {"Effect": "Allow", "Principal": {"AWS": SECURITY}, "Action": "kms:*", "Resource": "*"}
POLICY = json.dumps({"Version": "2012-10-17", "Statement": [ROOT, ADMIN]})
ROWS = "n,note\n" + "".join(f"{n},a value that repeats itself\n" for n in range(40))
MANIFESTS = (
    document("Key", "free", rotation="{every: 90d}")
    + document("KeyPolicy", "free", key="free", document=POLICY)
    + document("Alias", "free", key="free")
    + document("Grant", "app", key="free", granteePrincipal=APP, operations="[Decrypt, DescribeKey]")
    + document("Key", "alone")
    + document("Key", "byok", origin="EXTERNAL")
    + document("Key", "data")
    + document("Key", "spare")
    + document("Key", "abroad", provider="kms-us")
    + cluster("sales", encryption="{key: data}", tables="[{name: t, load: [data/a.csv, data/b.csv]}]")
    + cluster("owned", encryption="{owned: true, rotation: {every: 90d}}")
    + cluster("kept", encryption="{owned: true, escrow: spare}")
    + cluster("plain", encryption="{enabled: false}", tables="[{name: t, load: [data/a.csv]}]")
    + document("Snapshot", "before", provider="dw", cluster="plain", retention="30d")
    + document("Snapshot", "sealed", provider="dw", cluster="owned")
    + document("SnapshotCopyGrant", "arrivals", provider="dw-us", key="abroad")
    + document("SnapshotCopy", "sales", provider="dw", cluster="sales", to="dw-us", grant="arrivals", retention="7d")
    + table("orders", encryption="{type: CUSTOMER_MANAGED_KMS_KEY, key: data}")
)
Move = Callable[[Hands], None]


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The world as it was applied, to be copied."""
    folder = tmp_path_factory.mktemp("drift") / "settled"
    world = applied(folder, MANIFESTS, {"data/a.csv": ROWS, "data/b.csv": ROWS.replace("value", "worth")})
    with hands(world) as somebody:
        row = [{"id": 1, "note": "rows of it are not to be read on disk " * 30}]
        somebody.tables.put_rows(somebody.who, "shop", "orders", row)
    world.apply(refresh_only=True)
    return folder


@pytest.fixture
def world(settled: Path, tmp_path: Path, request: pytest.FixtureRequest) -> World:
    """A copy of it, in which nothing drew the same random bytes."""
    folder = tmp_path / "project"
    shutil.copytree(settled, folder)
    return World(folder, random=SeededRandom(abs(hash(request.node.name)) % 2**31))


@dataclass(frozen=True)
class Case:
    """What is done behind the state's back, and what drift then tells: address and class."""

    move: Move
    found: tuple[tuple[str, str], ...]


def silent(text: str, done: int | None, total: int | None) -> None:
    """Progress that nobody reads."""


def put_under(name: str, kind: RootKind) -> Move:
    def move(somebody: Hands) -> None:
        warehouse, root = somebody.warehouse(), Root(kind=kind)
        warehouse.modify_encryption(somebody.who, name, root, progress=silent, token=f"behind-{name}-{kind}")

    return move


def foreign(grantee: str, *operations: str) -> Move:
    def move(somebody: Hands) -> None:
        request = GrantRequest(key_id=somebody.of("Key/free"), grantee_principal=grantee, operations=operations)
        somebody.keys.create_grant(somebody.who, request)

    return move


def policy(*statements: object, by: str = PLATFORM) -> Move:
    document = {"Version": "2012-10-17", "Statement": list(statements)}
    return lambda somebody: somebody.keys.put_key_policy(somebody.as_principal(by), somebody.of("Key/free"), document)


def without_its_grant(somebody: Hands) -> None:
    warehouse, who = somebody.warehouse(), somebody.who
    warehouse.disable_snapshot_copy(who, "sales")
    warehouse.enable_snapshot_copy(who, "sales", somebody.warehouse("dw-us"), grant=None, retention_days=7)


def without_copy_grant(somebody: Hands) -> None:
    somebody.warehouse().disable_snapshot_copy(somebody.who, "sales")
    somebody.warehouse("dw-us").delete_snapshot_copy_grant(somebody.who, "arrivals")


def revoke_of(address: str, key: str = "Key/data") -> Move:
    def move(somebody: Hands) -> None:
        if address == "Table/orders":
            found = somebody.tables.describe_tables(somebody.who)[0].grant_id
        elif address == "Cluster/sales":
            found = somebody.warehouse().describe_clusters(somebody.who, ["sales"])[0].grant_id
        else:
            found = somebody.of(address, "id")
        assert found is not None
        somebody.keys.revoke_grant(somebody.who, somebody.of(key), found)

    return move


def in_plaintext(somebody: Hands) -> None:
    """A segment of an encrypted cluster, overwritten with what it must never hold."""
    folder = somebody.world.folder / ".reconciler" / "warehouse" / ACCOUNT / "eu-west-1"
    with closing(sqlite3.connect(folder / "catalogue.db")) as catalogue:
        (file,) = catalogue.execute(
            """SELECT s.file FROM segment s JOIN data_table t ON t.uid = s.data_table
               JOIN cluster c ON c.uid = t.cluster WHERE c.name = 'sales'"""
        ).fetchone()
    path = folder / "data" / file
    path.write_bytes((ROWS.encode() * 99)[: path.stat().st_size])


def rows_in_plaintext(somebody: Hands) -> None:
    path = somebody.world.folder / ".reconciler" / "tables" / ACCOUNT / "eu-west-1" / "tables.db"
    with closing(sqlite3.connect(path)) as tables:
        tables.execute("UPDATE sealed_row SET sealed = ?", (b'{"note":"' + b"readable " * 30 + b'"}',))
        tables.commit()


def unfinished_rotation(somebody: Hands) -> None:
    class Killed(Exception):
        pass

    def progress(text: str, done: int | None, total: int | None) -> None:
        if text.startswith("key tables"):
            raise Killed

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr("reconciler_warehouse.changes.resealing.BATCH", 1)
        somebody.warehouse().rotate_encryption_key(somebody.who, "sales", progress=progress, token="behind")


def later(days: int) -> Move:
    return lambda somebody: somebody.world.clock.advance(days=days)


def destroyed(somebody: Hands) -> None:
    somebody.keys.schedule_key_deletion(somebody.who, somebody.of("Key/alone"), waiting_days=7)
    somebody.world.clock.advance(days=8)


def imported(somebody: Hands) -> None:
    """Material for nine days."""
    service, key, now = somebody.session.provider("kms"), somebody.of("Key/byok"), somebody.world.clock.now()
    assert isinstance(service, ImportsKeyMaterial)
    given = service.get_parameters_for_import(
        somebody.who, key, wrapping_algorithm=ALGORITHM, wrapping_key_spec=WRAPPING_KEY_SPEC
    )
    wrapped = wrap_for_import(DataKey(bytes(range(32))), given.public_key, somebody.world.random)
    service.import_key_material(
        somebody.who,
        key,
        import_token=given.import_token,
        encrypted_material=wrapped,
        expires_at=now + timedelta(days=9),
    )


def without_escrow(somebody: Hands) -> None:
    warehouse = somebody.warehouse()
    assert isinstance(warehouse, KeepsEscrow)
    warehouse.set_escrow(somebody.who, "kept", None, token="behind")


def found_lost(somebody: Hands) -> None:
    """The root key is disabled, and the warehouse has found that out: its backup is no stranger's snapshot (RE8)."""
    somebody.keys.disable_key(somebody.who, somebody.of("Key/data"))
    do_due_work(somebody.session)


def table_to_owned(somebody: Hands) -> None:
    somebody.tables.update_table_encryption(somebody.who, "shop", "orders", None, token="behind")


def scheduled(somebody: Hands) -> None:
    somebody.keys.schedule_key_deletion(somebody.who, somebody.of("Key/alone"), waiting_days=7)


KEY_DISABLED = (("Cluster/sales", "warehouse-inaccessible"), ("Key/data", "key-disabled"))
WORLDS: dict[str, Case] = {
    "nobody did anything": Case(lambda somebody: None, ()),
    "a cluster was decrypted": Case(put_under("owned", RootKind.NONE), (("Cluster/owned", "encryption-lost"),)),
    "the root key of a cluster and a table was disabled": Case(
        lambda somebody: somebody.keys.disable_key(somebody.who, somebody.of("Key/data")),
        (*KEY_DISABLED, ("Table/orders", "warehouse-inaccessible")),
    ),
    "the same, and it was found out": Case(found_lost, (*KEY_DISABLED, ("Table/orders", "warehouse-inaccessible"))),
    "a cluster is no longer in escrow": Case(without_escrow, (("Cluster/kept", "escrow-changed"),)),
    "a table was put under the owned key": Case(table_to_owned, (("Table/orders", "key-replaced-by-owned"),)),
    "a key was disabled": Case(
        lambda somebody: somebody.keys.disable_key(somebody.who, somebody.of("Key/alone")),
        (("Key/alone", "key-disabled"),),
    ),
    "a key was scheduled for deletion": Case(scheduled, (("Key/alone", "key-pending-deletion"),)),
    "a key was destroyed": Case(destroyed, (("Key/alone", "key-missing"),)),
    "automatic rotation was switched off": Case(
        lambda somebody: somebody.keys.disable_key_rotation(somebody.who, somebody.of("Key/free")),
        (("Key/free", "rotation-off"),),
    ),
    "nobody rotated for longer than declared": Case(
        later(91), (("Cluster/owned", "rotation-overdue"), ("Key/free", "rotation-overdue"))
    ),
    "a rotation was killed half-way": Case(unfinished_rotation, (("Cluster/sales", "stale-key-version"),)),
    "imported material expires soon": Case(imported, (("Key/byok", "material-expiring"),)),
    "a policy was widened": Case(
        policy(ROOT, ADMIN, {**ADMIN, "Principal": {"AWS": "arn:aws:iam::444455556666:role/x"}}),
        (("KeyPolicy/free", "policy-widened"),),
    ),
    "a policy lost a statement": Case(policy(ROOT), (("KeyPolicy/free", "policy-changed"),)),
    "a policy shuts us out": Case(policy(ADMIN, by=SECURITY), (("KeyPolicy/free", "policy-lockout"),)),
    "a grant that nobody declared": Case(
        foreign(f"arn:aws:iam::{ACCOUNT}:role/stranger", "Decrypt"), (("Key/free", "grant-foreign"),)
    ),
    "a second grant that allows no more than the declared one": Case(
        foreign(APP, "Decrypt"), (("Key/free", "grant-foreign"),)
    ),
    "a grant that goes beyond the declared one": Case(
        foreign(APP, "Decrypt", "Encrypt"), (("Grant/app", "grant-widened"),)
    ),
    "a declared grant was revoked": Case(revoke_of("Grant/app", "Key/free"), (("Grant/app", "grant-missing"),)),
    "the grant of a table was revoked": Case(revoke_of("Table/orders"), (("Table/orders", "grant-missing"),)),
    "the grant of a cluster was revoked": Case(revoke_of("Cluster/sales"), (("Cluster/sales", "grant-missing"),)),
    "an alias names another key": Case(
        lambda somebody: somebody.keys.update_alias(somebody.who, "alias/free", somebody.of("Key/alone")),
        (("Alias/free", "alias-retargeted"),),
    ),
    "copying was switched off": Case(
        lambda somebody: somebody.warehouse().disable_snapshot_copy(somebody.who, "sales"),
        (("SnapshotCopy/sales", "copy-off"),),
    ),
    "copying goes on without its grant": Case(without_its_grant, (("SnapshotCopy/sales", "copy-grant-missing"),)),
    "copying and its grant are gone": Case(
        without_copy_grant, (("SnapshotCopy/sales", "copy-off"), ("SnapshotCopyGrant/arrivals", "copy-grant-missing"))
    ),
    "a segment is plaintext": Case(in_plaintext, (("Cluster/sales", "data-plaintext-found"),)),
    "a row is plaintext": Case(rows_in_plaintext, (("Table/orders", "data-plaintext-found"),)),
    "an alias was deleted": Case(
        lambda somebody: somebody.keys.delete_alias(somebody.who, "alias/free"), (("Alias/free", "resource-missing"),)
    ),
    "a description was changed": Case(
        lambda somebody: somebody.keys.update_key_description(somebody.who, somebody.of("Key/alone"), "other"),
        (("Key/alone", "attribute-changed"),),
    ),
    "a cluster was encrypted": Case(
        put_under("plain", RootKind.OWNED),
        (("Snapshot/before", "plaintext-snapshot"), ("Cluster/plain", "attribute-changed")),
    ),
}


@pytest.mark.parametrize("what", WORLDS)
def test_what_moved_behind_our_back_is_found_and_nothing_else(what: str, world: World) -> None:
    case = WORLDS[what]
    with hands(world) as somebody:
        case.move(somebody)
    printed = drift(world, "--format", "json")

    check_findings(printed, case.found)
    for finding in printed.document["findings"]:
        assert finding["fix"] and finding["observedAt"]


def test_a_key_made_by_hand_is_told_of_as_unmanaged(world: World) -> None:
    with hands(world) as somebody:
        made = somebody.keys.create_key(somebody.who, KeyRequest(description="by hand"), token="by hand")
    printed = drift(world, "--format", "json")

    assert printed.found == [(f"Key/{made.key_id}", "resource-unmanaged")]
    assert printed.code == 2
    assert made.key_id in printed.document["findings"][0]["fix"]


@pytest.fixture
def encrypted(world: World) -> World:
    """The plain cluster is encrypted as declared; a snapshot by hand and its declared one lie before that."""
    with hands(world) as somebody:
        somebody.warehouse().create_snapshot(somebody.who, "plain", "by-hand", retention_days=None, token="by hand")
    manifest = world.folder / "manifests" / "world.yaml"
    manifest.write_text(manifest.read_text().replace("{enabled: false}", "{owned: true}"))
    world.apply()
    return world


def test_snapshots_from_before_an_encryption_stay_a_finding_managed_or_not(encrypted: World) -> None:
    printed = drift(encrypted, "--format", "json")

    assert sorted(printed.found) == [
        ("Snapshot/before", "plaintext-snapshot"),
        ("Snapshot/by-hand", "plaintext-snapshot"),
    ]
    by_address = {one["address"]: one["observed"] for one in printed.document["findings"]}
    assert "bytes, kept until 2026-02-04, declared here" in by_address["Snapshot/before"]
    assert "bytes, kept for ever, taken by hand" in by_address["Snapshot/by-hand"]


def test_a_plan_that_touches_the_cluster_tells_of_its_plaintext_snapshots(encrypted: World) -> None:
    encrypted.apply(refresh_only=True)
    assert not encrypted.plan().drift, "nothing moved, and nothing is touched"
    manifest = encrypted.folder / "manifests" / "world.yaml"
    manifest.write_text(manifest.read_text().replace("{owned: true}", "{owned: true, rotation: {trigger: now}}"))

    assert [(str(one.address), one.drift_class) for one in encrypted.plan().drift] == [
        ("Snapshot/before", "plaintext-snapshot")
    ]


def test_a_snapshot_whose_keys_missed_a_rotation_is_stale(world: World) -> None:
    """Decrypted and encrypted again: the cluster's keys are new, those of its older snapshot are not (I20)."""
    world.clock.advance(days=80)
    with hands(world) as somebody:
        for kind in (RootKind.NONE, RootKind.OWNED):
            put_under("owned", kind)(somebody)
    world.clock.advance(days=5)
    assert [one for one in drift(world, "--format", "json").found if one[0] == "Cluster/owned"] == []
    world.clock.advance(days=10)
    found = [one for one in drift(world, "--format", "json").document["findings"] if one["address"] == "Cluster/owned"]

    assert [one["class"] for one in found] == ["stale-key-version"]
    assert "snapshot sealed" in found[0]["observed"]


def test_a_cluster_under_a_key_that_nobody_manages_is_inaccessible_with_it(tmp_path: Path) -> None:
    world = applied(tmp_path / "project", document("Key", "other"))
    with hands(world) as somebody:
        arn = somebody.keys.create_key(somebody.who, KeyRequest(), token="theirs").arn
    world.declare(PROVIDERS + document("Key", "other") + cluster("sales", encryption=f"{{key: {{arn: '{arn}'}}}}"))
    world.apply()
    with hands(world) as somebody:
        somebody.keys.disable_key(somebody.who, arn)
    found = drift(world, "--format", "json").found

    assert [one for one in found if one[1] != "resource-unmanaged"] == [("Cluster/sales", "warehouse-inaccessible")]


def test_an_object_that_was_kept_is_watched_too(world: World) -> None:
    manifest = world.folder / "manifests" / "world.yaml"
    manifest.write_text(manifest.read_text().replace(document("Key", "alone"), ""))
    world.apply()
    assert drift(world, "--format", "json").found == []
    with hands(world) as somebody:
        somebody.keys.disable_key(somebody.who, somebody.of("Key/alone"))
    printed = drift(world, "--format", "json")

    assert printed.found == [("Key/alone", "key-disabled")]
    assert "declare Key/alone again" in printed.document["findings"][0]["fix"]
    assert "reconciler state rm Key/alone" in printed.document["findings"][0]["fix"]


def test_a_grant_in_place_of_the_services_own_serves_as_well(world: World) -> None:
    """What a finding tells to do makes it go away."""
    with hands(world) as somebody:
        revoke_of("Cluster/sales")(somebody)
    manifest = world.folder / "manifests" / "world.yaml"
    operations = "[Decrypt, Encrypt, GenerateDataKey, ReEncryptFrom, ReEncryptTo]"
    grant = document("Grant", "dw", key="data", granteePrincipal="redshift.amazonaws.com", operations=operations)
    fix = drift(world, "--format", "json").document["findings"][0]["fix"]
    assert operations in fix and "redshift.amazonaws.com" in fix
    manifest.write_text(manifest.read_text() + grant)
    world.apply()

    assert drift(world, "--format", "json").found == []


def test_a_policy_that_nobody_declared_and_that_opens_the_key_to_others_is_told_of(world: World) -> None:
    theirs = {**ADMIN, "Principal": {"AWS": "arn:aws:iam::444455556666:root"}}
    document = {"Version": "2012-10-17", "Statement": [ROOT, theirs]}
    with hands(world) as somebody:
        somebody.keys.put_key_policy(somebody.who, somebody.of("Key/alone"), document)

    assert drift(world, "--format", "json").found == [("Key/alone", "policy-widened")]


def test_a_policy_that_denies_what_a_cluster_and_a_table_need_locks_them_out(tmp_path: Path) -> None:
    manifests = (
        document("Key", "data")
        + document("KeyPolicy", "data", key="data", document=POLICY)
        + cluster("sales", encryption="{key: data}")
        + table("orders", encryption="{type: CUSTOMER_MANAGED_KMS_KEY, key: data}")
    )
    world = applied(tmp_path / "project", manifests)
    denial = {"Sid": "no", "Effect": "Deny", "Principal": "*", "Action": "kms:Decrypt", "Resource": "*"}
    with hands(world) as somebody:
        changed = {"Version": "2012-10-17", "Statement": [ROOT, ADMIN, denial]}
        somebody.keys.put_key_policy(somebody.who, somebody.of("Key/data"), changed)
    printed = drift(world, "--format", "json")

    assert printed.found == [("KeyPolicy/data", "policy-changed")] + 2 * [("KeyPolicy/data", "policy-lockout")]
    told = [one for one in printed.document["findings"] if one["class"] == "policy-lockout"]
    assert [one["path"] for one in told] == ["document: Cluster/sales", "document: Table/orders"]
    assert all('statement "no" of the key policy denies kms:Decrypt' in one["observed"] for one in told)


def seen_classes() -> Iterator[str]:
    """The classes that a test above shows, or one that is named."""
    for case in WORLDS.values():
        for _, drift_class in case.found:
            yield drift_class
    for hsm_case in HSM_WORLDS.values():
        for _, drift_class in hsm_case.found:
            yield drift_class
    yield "resource-unmanaged"
    yield "manifest-rolled-back"  # test_older_copy


def test_every_class_has_a_world() -> None:
    assert set(seen_classes()) == RULES.keys()


def test_each_class_is_reported_by_the_kinds_that_it_names() -> None:
    for found in [*(case.found for case in WORLDS.values()), *(case.found for case in HSM_WORLDS.values())]:
        for address, drift_class in found:
            assert address.partition("/")[0] in RULES[drift_class].kinds, (address, drift_class)
