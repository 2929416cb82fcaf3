"""What every WarehouseProvider must do: inherit ``WarehouseContract``, give it a ``world``, meet the same tests.

Only what the protocol promises is asked; how data and keys lie on a disk is for the plugin's own tests.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pytest

from reconciler.access.caller import Caller
from reconciler.errors import (
    AccessDeniedException,
    AlreadyExistsException,
    ConflictException,
    DisabledException,
    InvalidClusterStateFault,
    NotFoundException,
    ReconcilerError,
    ResourceNotFoundException,
    ValidationException,
)
from reconciler.providers.data import (
    ClusterDescription,
    ClusterRequest,
    CountsKeyUses,
    ReplacesTables,
    Root,
    RootKind,
    SnapshotDescription,
    WarehouseProvider,
)
from reconciler.providers.keys import IssuesGrants, KeyProvider

OWNED = Root(kind=RootKind.OWNED)
UNENCRYPTED = Root(kind=RootKind.NONE)
FLIGHTS = "carrier,flight,delay\nUA,1545,11\nUA,1714,20\nAA,1141,33\nB6,725,-18\nDL,461,-25\n"
MORE_FLIGHTS = "carrier,flight,delay\nEV,4308,2\n"
MEANS = "SELECT carrier, avg(delay) FROM flights GROUP BY carrier ORDER BY 2 DESC, 1"
ANSWER = [("AA", 33.0), ("UA", 15.5), ("B6", -18.0), ("DL", -25.0)]


class KeysWithGrants(KeyProvider, IssuesGrants, Protocol):
    """The key service that the warehouse under test uses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WarehouseWorld:
    """A warehouse beside its key service, and both again in another Region, all new.

    ``user`` may do everything with ``key``, ``other_key`` and (there) ``key_elsewhere``: ARNs of enabled keys;
    ``stranger`` may do nothing with them. ``folder`` is for files to load.
    """

    warehouse: WarehouseProvider
    elsewhere: WarehouseProvider
    keys: KeysWithGrants
    keys_elsewhere: KeysWithGrants
    user: Caller
    stranger: Caller
    key: str
    other_key: str
    key_elsewhere: str
    folder: Path


def kms(key_arn: str) -> Root:
    """A customer-managed root."""
    return Root(kind=RootKind.KMS, key_arn=key_arn)


def silent(text: str, done: int | None, total: int | None) -> None:
    """Progress that nobody reads."""


def create(world: WarehouseWorld, root: Root, name: str = "sales", call: str = "create") -> ClusterDescription:
    """An empty cluster."""
    request = ClusterRequest(name=name, node_type="ra3.large", nodes=2, database="dev", root=root)
    return world.warehouse.create_cluster(world.user, request, token=call)


def csv(world: WarehouseWorld, name: str = "flights.csv", content: str = FLIGHTS) -> Path:
    """A file to load."""
    path = world.folder / name
    path.write_text(content)
    return path


def load(world: WarehouseWorld, *files: Path, table: str = "flights", backup: bool = True) -> Any:
    """Load files into a table of ``sales``."""
    return world.warehouse.load_table(
        world.user, "sales", table, files, backup=backup, progress=silent, token=f"load {table} {len(files)}"
    )


def loaded(world: WarehouseWorld, root: Root) -> ClusterDescription:
    """The cluster ``sales`` with its flights."""
    create(world, root)
    load(world, csv(world))
    return described(world)


def described(world: WarehouseWorld, name: str = "sales") -> ClusterDescription:
    """The cluster as its warehouse describes it."""
    (found,) = world.warehouse.describe_clusters(world.user, [name])
    return found


def means(world: WarehouseWorld) -> list[tuple[Any, ...]]:
    """The question that every test asks again."""
    return world.warehouse.select(world.user, "sales", MEANS).rows


def modify(world: WarehouseWorld, root: Root, call: str = "modify") -> ClusterDescription:
    """Another root for ``sales``."""
    return world.warehouse.modify_encryption(world.user, "sales", root, progress=silent, token=call)


def rotate(world: WarehouseWorld, call: str = "rotate") -> ClusterDescription:
    """New keys for ``sales``."""
    return world.warehouse.rotate_encryption_key(world.user, "sales", progress=silent, token=call)


def snapshot(world: WarehouseWorld, name: str = "before") -> SnapshotDescription:
    """A manual snapshot of ``sales``."""
    return world.warehouse.create_snapshot(world.user, "sales", name, retention_days=7, token=f"snapshot {name}")


def grants(world: WarehouseWorld, key: str) -> list[str]:
    """Ids of the grants on a key."""
    return [grant.grant_id for grant in world.keys.list_grants(world.user, key)]


def uses(warehouse: WarehouseProvider, key: str) -> list[tuple[str, str]]:
    """What the census says of a key: (what, name), in order."""
    assert isinstance(warehouse, CountsKeyUses)
    return sorted((use.what, use.name) for use in warehouse.key_uses(key))


class WarehouseContract:
    """The suite. A subclass gives the fixture ``world``."""

    # --- making (RE1, RE4–RE6) ----------------------------------------------------------------------------------------

    def test_a_new_warehouse_is_empty_and_says_so(self, world: WarehouseWorld) -> None:
        warehouse = world.warehouse
        assert warehouse.describe_clusters(world.user) == []
        assert warehouse.describe_snapshots(world.user) == []
        assert warehouse.describe_snapshot_copy_grants(world.user) == []
        assert warehouse.find_cluster(world.user, token="create") is None

    def test_a_cluster_under_a_customer_key_holds_a_grant_constrained_to_its_context(
        self, world: WarehouseWorld
    ) -> None:
        made = create(world, kms(world.key))
        assert (made.root, made.status, made.encrypted) == (kms(world.key), "available", True)
        (grant,) = world.keys.list_grants(world.user, world.key)
        assert grant.grant_id == made.grant_id
        assert grant.context_subset is not None
        assert grant.context_subset["aws:redshift:arn"] == made.arn
        assert made.arn.endswith(":cluster:sales")

    def test_the_owned_key_needs_no_grant(self, world: WarehouseWorld) -> None:
        made = create(world, OWNED)
        assert (made.root.kind, made.grant_id, made.encrypted) == (RootKind.OWNED, None, True)

    def test_creating_twice_with_one_token_makes_one_cluster(self, world: WarehouseWorld) -> None:
        first = create(world, kms(world.key))
        assert create(world, kms(world.key)) == first
        assert world.warehouse.describe_clusters(world.user) == [first]
        assert world.warehouse.find_cluster(world.user, token="create") == first
        assert len(grants(world, world.key)) == 1

    def test_a_name_in_use_is_refused(self, world: WarehouseWorld) -> None:
        create(world, OWNED)
        with pytest.raises(AlreadyExistsException):
            create(world, OWNED, call="another")

    def test_a_caller_without_permission_makes_no_cluster(self, world: WarehouseWorld) -> None:
        request = ClusterRequest(name="theirs", node_type="ra3.large", nodes=1, database="dev", root=kms(world.key))
        with pytest.raises(AccessDeniedException):
            world.warehouse.create_cluster(world.stranger, request, token="theirs")
        assert world.warehouse.describe_clusters(world.user) == []
        assert grants(world, world.key) == []

    def test_a_key_that_does_not_exist_is_named(self, world: WarehouseWorld) -> None:
        absent = world.key[:-4] + ("0000" if world.key[-4:] != "0000" else "1111")
        with pytest.raises(ReconcilerError) as refused:
            create(world, kms(absent))
        assert isinstance(refused.value, NotFoundException | AccessDeniedException)
        assert world.warehouse.describe_clusters(world.user) == []

    def test_after_a_failed_creation_the_name_is_free(self, world: WarehouseWorld) -> None:
        world.keys.disable_key(world.user, world.key)
        with pytest.raises(DisabledException):
            create(world, kms(world.key))
        assert create(world, OWNED, call="another").root.kind is RootKind.OWNED

    def test_resizing_changes_nodes_and_nothing_else(self, world: WarehouseWorld) -> None:
        before = loaded(world, OWNED)
        for _ in range(2):
            world.warehouse.resize_cluster(world.user, "sales", node_type="ra3.xlplus", nodes=4)
        after = described(world)
        assert (after.node_type, after.nodes) == ("ra3.xlplus", 4)
        assert (after.cek_id, after.dek_id, after.tables) == (before.cek_id, before.dek_id, before.tables)

    # --- loading and asking -------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("kind", [RootKind.KMS, RootKind.OWNED, RootKind.NONE])
    def test_what_was_loaded_is_answered(self, world: WarehouseWorld, kind: RootKind) -> None:
        loaded(world, kms(world.key) if kind is RootKind.KMS else Root(kind=kind))
        assert means(world) == ANSWER

    def test_each_digest_is_loaded_once(self, world: WarehouseWorld) -> None:
        loaded(world, OWNED)
        twice = load(world, csv(world), csv(world, "the same.csv"))
        assert (twice.rows, len(twice.loads)) == (5, 1)
        more = load(world, csv(world), csv(world, "more.csv", MORE_FLIGHTS))
        assert (more.rows, len(more.loads)) == (6, 2)
        assert means(world) == [("AA", 33.0), ("UA", 15.5), ("EV", 2.0), ("B6", -18.0), ("DL", -25.0)]

    def test_a_file_that_does_not_fit_leaves_the_table_as_it_was(self, world: WarehouseWorld) -> None:
        loaded(world, OWNED)
        with pytest.raises(ValidationException):
            load(world, csv(world, "bad.csv", "carrier,flight,delay\nUA,1545,late\n"))
        assert means(world) == ANSWER
        assert described(world).tables[0].rows == 5

    def test_a_table_can_be_replaced_in_one_switch(self, world: WarehouseWorld) -> None:
        warehouse = world.warehouse
        if not isinstance(warehouse, ReplacesTables):
            pytest.skip("this warehouse does not replace tables")
        loaded(world, OWNED)
        for _ in range(2):
            files = [csv(world, "more.csv", MORE_FLIGHTS)]
            table = warehouse.replace_table(world.user, "sales", "flights", files, progress=silent, token="replace")
            assert (table.rows, len(table.loads)) == (1, 1)
        assert means(world) == [("EV", 2.0)]

    def test_a_file_that_changed_since_it_was_planned_is_never_loaded(self, world: WarehouseWorld) -> None:
        loaded(world, OWNED)
        path = csv(world, "more.csv", MORE_FLIGHTS)
        planned = [hashlib.sha256(path.read_bytes()).hexdigest()]
        named: dict[str, Any] = {"progress": silent, "token": "late", "digests": planned}
        path.write_text(MORE_FLIGHTS.replace("EV", "XX"))
        with pytest.raises(ConflictException, match=r"more\.csv"):
            world.warehouse.load_table(world.user, "sales", "flights", [path], backup=True, **named)
        if isinstance(world.warehouse, ReplacesTables):
            with pytest.raises(ConflictException, match=r"more\.csv"):
                world.warehouse.replace_table(world.user, "sales", "flights", [path], **named)
        assert means(world) == ANSWER
        path.write_text(MORE_FLIGHTS)
        for _ in range(2):
            table = world.warehouse.load_table(world.user, "sales", "flights", [path], backup=True, **named)
            assert planned[0] in table.loads
            path.unlink(missing_ok=True)  # loaded already: what became of the file does not matter

    def test_a_caller_of_another_account_gets_no_answer(self, world: WarehouseWorld) -> None:
        loaded(world, OWNED)
        stranger = Caller(principal="arn:aws:iam::999999999999:role/user", account="999999999999")
        with pytest.raises(AccessDeniedException):
            world.warehouse.select(stranger, "sales", MEANS)

    @pytest.mark.parametrize(
        "statement",
        [
            "INSERT INTO flights VALUES ('UA', 1, 1)",
            "DROP TABLE flights",
            "SELECT 1; SELECT 2",
            "SELECT * INTO other FROM flights",
            "SELECT * FROM absent",
            "this is no statement",
            "",
        ],
    )
    def test_only_a_select_over_the_clusters_tables_is_answered(self, world: WarehouseWorld, statement: str) -> None:
        loaded(world, OWNED)
        with pytest.raises(ValidationException):
            world.warehouse.select(world.user, "sales", statement)
        assert means(world) == ANSWER

    def test_asking_an_absent_cluster_is_not_found(self, world: WarehouseWorld) -> None:
        with pytest.raises(ResourceNotFoundException):
            means(world)

    def test_a_disabled_key_stops_reading_and_enabling_it_brings_it_back(self, world: WarehouseWorld) -> None:
        loaded(world, kms(world.key))
        world.keys.disable_key(world.user, world.key)
        with pytest.raises(DisabledException) as refused:
            means(world)
        assert "sales" in refused.value.summary
        assert described(world).root == kms(world.key)
        world.keys.enable_key(world.user, world.key)
        assert means(world) == ANSWER

    def test_a_revoked_grant_stops_reading(self, world: WarehouseWorld) -> None:
        made = loaded(world, kms(world.key))
        assert made.grant_id is not None
        world.keys.revoke_grant(world.user, world.key, made.grant_id)
        with pytest.raises(AccessDeniedException):
            means(world)

    # --- rotating and changing the root (RO1, RE2) --------------------------------------------------------------------

    def test_rotation_makes_new_keys_and_keeps_the_data(self, world: WarehouseWorld) -> None:
        before = loaded(world, kms(world.key))
        after = rotate(world)
        assert after.status == "available"
        assert after.cek_id != before.cek_id
        assert after.dek_id != before.dek_id
        assert after.root == before.root
        assert means(world) == ANSWER

    def test_rotating_twice_with_one_token_rotates_once(self, world: WarehouseWorld) -> None:
        loaded(world, kms(world.key))
        assert rotate(world) == rotate(world)
        assert rotate(world).dek_id != rotate(world, "again").dek_id

    def test_an_unencrypted_cluster_has_no_keys_to_rotate(self, world: WarehouseWorld) -> None:
        loaded(world, UNENCRYPTED)
        with pytest.raises(InvalidClusterStateFault):
            rotate(world)

    def test_switching_the_key_takes_snapshots_along_and_lets_the_old_key_go(self, world: WarehouseWorld) -> None:
        before = loaded(world, kms(world.key))
        snapshot(world)
        after = modify(world, kms(world.other_key))
        assert after.root == kms(world.other_key)
        assert after.dek_id == before.dek_id
        assert grants(world, world.key) == []
        assert uses(world.warehouse, world.key) == []
        assert uses(world.warehouse, world.other_key) == [("cluster", "sales"), ("snapshot", "before")]
        world.keys.disable_key(world.user, world.key)
        assert means(world) == ANSWER

    def test_switching_there_and_back_leaves_one_grant(self, world: WarehouseWorld) -> None:
        loaded(world, kms(world.key))
        modify(world, kms(world.other_key), "there")
        modify(world, kms(world.key), "back")
        assert len(grants(world, world.key)) == 1
        assert grants(world, world.other_key) == []
        assert means(world) == ANSWER

    def test_a_switch_to_an_unusable_key_changes_nothing(self, world: WarehouseWorld) -> None:
        before = loaded(world, kms(world.key))
        world.keys.disable_key(world.user, world.other_key)
        with pytest.raises(DisabledException):
            modify(world, kms(world.other_key))
        assert described(world) == before
        assert means(world) == ANSWER

    def test_between_owned_and_customer_key_both_ways(self, world: WarehouseWorld) -> None:
        loaded(world, OWNED)
        assert modify(world, kms(world.key), "to the customer's").root == kms(world.key)
        assert means(world) == ANSWER
        assert modify(world, OWNED, "to the owned").root.kind is RootKind.OWNED
        assert grants(world, world.key) == []
        assert means(world) == ANSWER

    def test_encrypting_in_place_ends_with_a_snapshot_as_its_sign(self, world: WarehouseWorld) -> None:
        loaded(world, UNENCRYPTED)
        after = modify(world, kms(world.key))
        assert (after.encrypted, after.status) == (True, "available")
        assert means(world) == ANSWER
        (sign,) = world.warehouse.describe_snapshots(world.user)
        assert (sign.kind, sign.root, sign.cluster) == ("automated", kms(world.key), "sales")
        assert modify(world, kms(world.key)) == after
        assert len(world.warehouse.describe_snapshots(world.user)) == 1

    def test_decrypting_in_place_lets_the_key_go(self, world: WarehouseWorld) -> None:
        loaded(world, kms(world.key))
        after = modify(world, UNENCRYPTED)
        assert (after.encrypted, after.cek_id, after.dek_id, after.grant_id) == (False, None, None, None)
        assert uses(world.warehouse, world.key) == []
        assert grants(world, world.key) == []
        world.keys.disable_key(world.user, world.key)
        assert means(world) == ANSWER

    # --- removing -----------------------------------------------------------------------------------------------------

    def test_deleting_a_cluster_keeps_its_snapshots_and_their_key(self, world: WarehouseWorld) -> None:
        loaded(world, kms(world.key))
        kept = snapshot(world)
        for _ in range(2):
            world.warehouse.delete_cluster(world.user, "sales")
        assert world.warehouse.describe_clusters(world.user) == []
        assert world.warehouse.describe_snapshots(world.user) == [kept]
        assert uses(world.warehouse, world.key) == [("snapshot", "before")]
        assert len(grants(world, world.key)) == 1
        for _ in range(2):
            world.warehouse.delete_snapshot(world.user, "before")
        assert uses(world.warehouse, world.key) == []
        assert grants(world, world.key) == []

    def test_a_new_cluster_of_an_old_name_is_another_one(self, world: WarehouseWorld) -> None:
        before = loaded(world, kms(world.key))
        world.warehouse.delete_cluster(world.user, "sales")
        after = create(world, kms(world.key), call="again")
        assert after.uid != before.uid
        assert after.tables == ()

    # --- snapshots and copies (SC) ------------------------------------------------------------------------------------

    def test_a_snapshot_is_encrypted_as_its_cluster_was(self, world: WarehouseWorld) -> None:
        loaded(world, kms(world.key))
        made = snapshot(world)
        assert (made.kind, made.root, made.cluster, made.source_region) == ("manual", kms(world.key), "sales", None)
        assert made.expires_at is not None
        assert made.bytes > 0
        assert snapshot(world) == made
        with pytest.raises(AlreadyExistsException):
            world.warehouse.create_snapshot(world.user, "sales", "before", retention_days=None, token="another")

    def test_rotation_gives_snapshots_a_new_key_of_their_own(self, world: WarehouseWorld) -> None:
        loaded(world, kms(world.key))
        made = snapshot(world)
        rotate(world)
        assert world.warehouse.describe_snapshots(world.user) == [made]
        assert uses(world.warehouse, world.key) == [("cluster", "sales"), ("snapshot", "before")]

    def copied(self, world: WarehouseWorld, root: Root) -> SnapshotDescription:
        """The snapshot of a loaded cluster, copied under a grant there."""
        loaded(world, kms(world.key))
        snapshot(world)
        world.elsewhere.create_snapshot_copy_grant(world.user, "landing", root, token="landing")
        world.warehouse.enable_snapshot_copy(world.user, "sales", world.elsewhere, grant="landing", retention_days=7)
        return self.copy(world)

    def copy(self, world: WarehouseWorld) -> SnapshotDescription:
        """Copy the snapshot."""
        return world.warehouse.copy_snapshot(world.user, "before", world.elsewhere, progress=silent, token="copy")

    def test_a_copy_stands_under_the_destinations_key_alone(self, world: WarehouseWorld) -> None:
        made = self.copied(world, kms(world.key_elsewhere))
        assert (made.root, made.source_region) == (kms(world.key_elsewhere), world.warehouse.region)
        assert made.cluster_uid == described(world).uid
        assert uses(world.elsewhere, world.key_elsewhere) == [
            ("snapshot", "before"),
            ("snapshot-copy-grant", "landing"),
        ]
        assert self.copy(world) == made
        world.keys.disable_key(world.user, world.key)
        assert world.elsewhere.describe_snapshots(world.user) == [made]

    def test_a_copy_without_a_grant_stands_under_the_owned_key(self, world: WarehouseWorld) -> None:
        loaded(world, kms(world.key))
        snapshot(world)
        world.warehouse.enable_snapshot_copy(world.user, "sales", world.elsewhere, grant=None, retention_days=7)
        assert self.copy(world).root.kind is RootKind.OWNED

    def test_copying_must_be_on(self, world: WarehouseWorld) -> None:
        loaded(world, kms(world.key))
        snapshot(world)
        with pytest.raises(InvalidClusterStateFault):
            self.copy(world)

    def test_copying_on_needs_a_grant_that_exists_there(self, world: WarehouseWorld) -> None:
        loaded(world, kms(world.key))
        with pytest.raises(ResourceNotFoundException):
            world.warehouse.enable_snapshot_copy(world.user, "sales", world.elsewhere, grant="absent", retention_days=7)
        assert described(world).copy is None

    def test_copying_is_switched_on_and_off(self, world: WarehouseWorld) -> None:
        self.copied(world, OWNED)
        status = described(world).copy
        assert status is not None
        assert (status.region, status.grant_name, status.retention_days) == (world.elsewhere.region, "landing", 7)
        for _ in range(2):
            world.warehouse.disable_snapshot_copy(world.user, "sales")
        assert described(world).copy is None
        assert len(world.elsewhere.describe_snapshots(world.user)) == 1

    def test_a_copy_grant_in_use_stays(self, world: WarehouseWorld) -> None:
        self.copied(world, kms(world.key_elsewhere))
        (grant,) = world.elsewhere.describe_snapshot_copy_grants(world.user)
        assert grant.copying == (described(world).arn,)
        with pytest.raises(ConflictException):
            world.elsewhere.delete_snapshot_copy_grant(world.user, "landing")
        world.warehouse.disable_snapshot_copy(world.user, "sales")
        for _ in range(2):
            world.elsewhere.delete_snapshot_copy_grant(world.user, "landing")
        assert world.elsewhere.describe_snapshot_copy_grants(world.user) == []
        # The copy still rests on the grant that was made for it.
        assert len(world.keys_elsewhere.list_grants(world.user, world.key_elsewhere)) == 1
        world.elsewhere.delete_snapshot(world.user, "before")
        assert world.keys_elsewhere.list_grants(world.user, world.key_elsewhere) == []

    def test_a_copy_grant_is_made_once_per_token_and_name(self, world: WarehouseWorld) -> None:
        root = kms(world.key_elsewhere)
        make = world.elsewhere.create_snapshot_copy_grant
        first = make(world.user, "landing", root, token="landing")
        assert make(world.user, "landing", root, token="landing") == first
        assert first.root == root
        assert first.grant_id is not None
        with pytest.raises(AlreadyExistsException):
            make(world.user, "landing", root, token="another")
