"""No guard is impossible to satisfy: each is met in a real world, its printed way out is gone, and it lets go."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from reconciler.commands.generating import generate
from reconciler.commands.session import Session
from reconciler.errors import BlockedByGuard
from reconciler.model.address import Address
from reconciler.model.change import Block
from reconciler.providers.data import ClusterRequest, Root, RootKind
from reconciler.providers.keys import GrantRequest, IssuesGrants, KeyRequest, NamesKeys
from reconciler.providers.tables import Column, TableRequest, TableSchema
from reconciler.providers.typed import caller, key_provider, table_provider, warehouse_provider
from tests.world import World, document, provider

KMS, DW = provider("kms"), provider("dw", "warehouse")
ABROAD = provider("kms-us", region="us-east-1") + provider("dw-us", "warehouse", "us-east-1")
TB = provider("tb", "tables")
LOOSE = "{preventDestroy: false}"
KEY = document("Key", "one", lifecycle=LOOSE)
BY_ONE = "{key: one}"
OWNED = "{owned: true}"


def cluster(encryption: str = BY_ONE, **more: str) -> str:
    return document("Cluster", "c", provider="dw", nodeType="ra3.large", nodes="1", encryption=encryption, **more)


def table(encryption: str, **more: str) -> str:
    return document("Keyspace", "ks", provider="tb") + document(
        "Table",
        "t",
        provider="tb",
        keyspace="ks",
        schema="{columns: [{name: id, type: int}], partitionKey: [id]}",
        encryption=encryption,
        **more,
    )


@dataclass
class Story:
    """A project, and what it does one after the other."""

    world: World

    def applied(self, *manifests: str) -> None:
        """Declare that, and apply it."""
        self.world.declare("".join(manifests))
        self.world.apply()

    def by_hand(self, change: Callable[[Session], object]) -> None:
        """What somebody does with the providers' own tools."""
        with self.world.session() as session:
            change(session)

    def refused(self, guard: str, *manifests: str, **request: Any) -> Block:
        """Declaring that is refused by the guard, at plan and at apply; the refusal."""
        self.world.declare("".join(manifests))
        blocks = [block for change in self.world.plan(**request).changes for block in change.blocked]
        assert [block.guard for block in blocks] == [guard]
        with pytest.raises(BlockedByGuard):
            self.world.apply(**request)
        return blocks[0]

    def generated(self, *kinds: str) -> str:
        """What ``reconciler import --generate`` writes."""
        out = io.StringIO()
        with self.world.session() as session, redirect_stdout(out), redirect_stderr(io.StringIO()):
            generate(session, kinds, None, "-")
        assert "importId" in out.getvalue()
        return out.getvalue()

    def standing(self, address: str) -> str | None:
        with self.world.session() as session:
            row = session.reader.get(Address(address))
        return None if row is None else str(row.standing)

    def key_goes(self) -> None:
        """The key is on its way, and nothing is left to do."""
        assert self.standing("Key/one") == "leaving"
        assert not self.world.plan().has_changes


def says(block: Block, *words: str) -> None:
    """The way out says these, in this order."""
    places = [next((place for place, way in enumerate(block.way_out) if word in way), None) for word in words]
    assert None not in places, (words, block.way_out)
    assert places == sorted(cast(list[int], places)), block.way_out


def arn(session: Session, address: str) -> str:
    return str(session.attributes(Address(address))["arn"])


def a_cluster_of_ours(story: Story) -> None:
    story.applied(KMS, DW, KEY, cluster())
    other = cluster("{key: {arn: '" + key_arn(story) + "'}}")
    block = story.refused("key-in-use", KMS, DW, other)
    says(block, "Put Cluster/c under another root", "Then remove the manifest of Key/one")
    story.applied(KMS, DW, KEY, cluster(OWNED))
    story.applied(KMS, DW, cluster(OWNED))
    story.key_goes()


def key_arn(story: Story) -> str:
    with story.world.session() as session:
        return arn(session, "Key/one")


def a_cluster_that_nobody_manages(story: Story) -> None:
    story.applied(KMS, DW, KEY)

    def make(session: Session) -> None:
        root = Root(kind=RootKind.KMS, key_arn=arn(session, "Key/one"))
        request = ClusterRequest(name="elsewhere", node_type="ra3.large", nodes=1, database="dev", root=root)
        warehouse_provider(session, "dw").create_cluster(caller(session, "dw"), request, token="by-hand")

    story.by_hand(make)
    block = story.refused("key-in-use", KMS, DW)
    says(block, "Bring in cluster elsewhere (`reconciler import --generate`", "Then remove the manifest of Key/one")
    story.world.declare(KMS + DW + KEY)
    written = story.generated("Cluster")
    story.applied(KMS, DW, KEY, "---\n", written)
    switched = written.replace("key: one", "owned: true")
    assert switched != written, written
    story.applied(KMS, DW, KEY, "---\n", switched)
    story.applied(KMS, DW, "---\n", switched)
    story.key_goes()


def a_table_that_nobody_manages(story: Story) -> None:
    story.applied(KMS, TB, KEY)

    def make(session: Session) -> None:
        tables, who = table_provider(session, "tb"), caller(session, "tb")
        tables.create_keyspace(who, "far", replication="SingleRegionStrategy", token="k")
        schema = TableSchema(columns=(Column(name="id", type="int"),), partition_key=("id",))
        request = TableRequest(keyspace="far", name="off", schema=schema, key_arn=arn(session, "Key/one"))
        tables.create_table(who, request, token="t")

    story.by_hand(make)
    says(story.refused("key-in-use", KMS, TB), "Bring in table far.off", "Then remove the manifest of Key/one")
    story.world.declare(KMS + TB + KEY)
    written = story.generated("Keyspace", "Table")
    story.applied(KMS, TB, KEY, "---\n", written)
    lines = written.splitlines()
    switched = "\n".join(
        line.replace("CUSTOMER_MANAGED_KMS_KEY", "AWS_OWNED_KMS_KEY") for line in lines if line.strip() != "key: one"
    )
    assert switched != written.rstrip("\n"), written
    story.applied(KMS, TB, KEY, "---\n", switched, "\n")
    story.applied(KMS, TB, "---\n", switched, "\n")
    story.key_goes()


def a_snapshot_that_nobody_manages(story: Story) -> None:
    story.applied(KMS, DW, KEY, cluster(lifecycle=LOOSE))

    def take(session: Session) -> None:
        who, warehouse = caller(session, "dw"), warehouse_provider(session, "dw")
        warehouse.create_snapshot(who, "c", "left", retention_days=None, token="s")
        warehouse.delete_cluster(who, "c")

    story.by_hand(take)
    block = story.refused("key-in-use", KMS, DW)
    says(block, "Bring in snapshot left", "Then remove the manifest of Key/one")
    story.applied(KMS, DW, KEY)
    written = story.generated("Snapshot")
    story.applied(KMS, DW, KEY, "---\n", written.rstrip("\n"), f"\n  lifecycle: {LOOSE}\n")
    story.applied(KMS, DW, KEY)
    story.applied(KMS, DW)
    story.key_goes()


def a_snapshot_that_expires(story: Story) -> None:
    story.applied(KMS, DW, KEY, cluster(lifecycle=LOOSE))

    def take(session: Session) -> None:
        who, warehouse = caller(session, "dw"), warehouse_provider(session, "dw")
        warehouse.create_snapshot(who, "c", "left", retention_days=3, token="s")
        warehouse.delete_cluster(who, "c")

    story.by_hand(take)
    block = story.refused("key-in-use", KMS, DW)
    says(block, "Wait until 2026-01-08 09:00 UTC for snapshot left, and apply", "Then remove the manifest of Key/one")
    story.world.clock.advance(days=3)
    story.world.apply()
    story.world.apply()
    story.key_goes()


def a_snapshot_of_ours(story: Story) -> None:
    snapshot = document("Snapshot", "s", provider="dw", cluster="c")
    story.applied(KMS, DW, KEY, cluster(lifecycle=LOOSE), snapshot)
    kept = document("Snapshot", "s", provider="dw", cluster="{arn: '" + cluster_arn() + "'}")
    story.by_hand(lambda session: warehouse_provider(session, "dw").delete_cluster(caller(session, "dw"), "c"))
    block = story.refused("key-in-use", KMS, DW, kept)
    says(block, "Let Snapshot/s go", "Then remove the manifest of Key/one")
    story.applied(KMS, DW, KEY, kept + f"  lifecycle: {LOOSE}\n")
    story.applied(KMS, DW, KEY)
    story.applied(KMS, DW)
    story.key_goes()


def cluster_arn() -> str:
    return "arn:aws:redshift:eu-west-1:111122223333:cluster:c"


def a_copy_grant_and_the_copies_under_it(story: Story) -> None:
    places = KMS + DW + ABROAD
    key = document("Key", "one", provider="kms-us", lifecycle=LOOSE)
    other = document("Key", "two", provider="kms-us")
    source = cluster(OWNED) + document("Snapshot", "s", provider="dw", cluster="c")
    copying = document("SnapshotCopy", "c", provider="dw", cluster="c", to="dw-us", grant="g", retention="7d")
    story.applied(places, key, source, copying, document("SnapshotCopyGrant", "g", provider="dw-us", key="one"))
    fixed = document("SnapshotCopyGrant", "g", provider="dw-us", key="{arn: '" + key_arn(story) + "'}")
    block = story.refused("key-in-use", places, source, copying, fixed)
    says(block, "Declare a second SnapshotCopyGrant", "Wait until 2026-01-12 09:00 UTC for copy from another Region s")
    second = document("SnapshotCopyGrant", "h", provider="dw-us", key="two")
    switched = copying.replace("grant: g", "grant: h")
    story.applied(places, key, other, source, switched, second)
    story.world.clock.advance(days=7)
    story.applied(places, other, source, switched, second)
    story.key_goes()


def a_grant_of_a_service_that_nobody_knows(story: Story) -> None:
    story.applied(KMS, DW, KEY)

    def grant(session: Session) -> None:
        request = GrantRequest(
            key_id=arn(session, "Key/one"),
            grantee_principal="redshift.amazonaws.com",
            operations=("Decrypt",),
            context_subset={"aws:redshift:arn": "arn:aws:redshift:eu-west-1:111122223333:cluster:gone"},
        )
        cast(IssuesGrants, key_provider(session, "kms")).create_grant(caller(session, "kms"), request)

    story.by_hand(grant)
    block = story.refused("key-in-use", KMS, DW)
    says(block, "bring the grant in as a Grant (`reconciler import --generate`", "Then remove the manifest of Key/one")
    story.world.declare(KMS + DW + KEY)
    story.applied(KMS, DW, KEY, "---\n", story.generated("Grant"))
    story.applied(KMS, DW, KEY)
    story.applied(KMS, DW)
    story.key_goes()


def a_provider_that_no_manifest_declares(story: Story) -> None:
    other = document("Keyspace", "ks", provider="tb")
    story.applied(KMS, TB, KEY, other)
    block = story.refused("key-in-use", KMS, refresh=False)
    says(block, "Make sure that Provider/tb, which no manifest declares, can be asked", "Then remove the manifest")
    story.applied(KMS, TB)
    story.key_goes()


def an_outage_that_is_accepted(story: Story) -> None:
    story.applied(KMS, DW, KEY, cluster())
    off = document("Key", "one", lifecycle=LOOSE, enabled="false")
    block = story.refused("outage", KMS, DW, off, cluster())
    says(block, "Switch them to another key first", "--accept-outage Key/one")
    story.world.apply(accept_outage=(Address("Key/one"),))
    story.applied(KMS, DW, KEY, cluster())


def an_outage_that_is_avoided(story: Story) -> None:
    story.applied(KMS, DW, KEY, cluster())
    off = document("Key", "one", lifecycle=LOOSE, enabled="false")
    story.refused("outage", KMS, DW, off, cluster())
    story.applied(KMS, DW, KEY, cluster(OWNED))
    story.applied(KMS, DW, off, cluster(OWNED))
    assert not story.world.plan().has_changes


def a_name_that_something_unmanaged_has(story: Story) -> None:
    story.applied(KMS)

    def name(session: Session) -> None:
        who, keys = caller(session, "kms"), key_provider(session, "kms")
        made = keys.create_key(who, KeyRequest(), token="k")
        cast(NamesKeys, keys).create_alias(who, "alias/a", made.key_id)

    story.by_hand(name)
    alias = document("Alias", "a", key="one")
    says(story.refused("name-taken", KMS, KEY, alias), "importId: alias/a", "externalName")
    story.applied(KMS, KEY, alias + "  importId: alias/a\n")
    assert not story.world.plan().has_changes


def a_name_that_is_left_to_what_has_it(story: Story) -> None:
    story.applied(KMS, DW)

    def make(session: Session) -> None:
        request = ClusterRequest(
            name="c", node_type="ra3.large", nodes=1, database="dev", root=Root(kind=RootKind.OWNED)
        )
        warehouse_provider(session, "dw").create_cluster(caller(session, "dw"), request, token="by-hand")

    story.by_hand(make)
    says(story.refused("name-taken", KMS, DW, cluster(OWNED)), "importId", "externalName")
    story.applied(KMS, DW, cluster(OWNED, externalName="another"))


def a_table_of_another_keyspace_has_no_name_of_ours(story: Story) -> None:
    story.applied(KMS, TB)

    def make(session: Session) -> None:
        tables, who = table_provider(session, "tb"), caller(session, "tb")
        schema = TableSchema(columns=(Column(name="id", type="int"),), partition_key=("id",))
        for keyspace in ("far", "near"):
            tables.create_keyspace(who, keyspace, replication="SingleRegionStrategy", token=keyspace)
        tables.create_table(who, TableRequest(keyspace="far", name="t", schema=schema, key_arn=None), token="t")

    story.by_hand(make)
    owned = "{type: AWS_OWNED_KMS_KEY}"
    story.applied(KMS, TB, table(owned))
    inside = (
        document("Keyspace", "ks2", provider="tb", importId="far", externalName="far")
        + "---\n"
        + table(owned, externalName="t").split("---\n")[2].replace("keyspace: ks", "keyspace: ks2")
    ).replace("metadata: {name: t}", "metadata: {name: t2}")
    says(story.refused("name-taken", KMS, TB, table(owned), inside), "importId", "externalName")


def keys_of_a_cluster_that_are_lost(story: Story) -> None:
    story.applied(KMS, DW, KEY, cluster())
    for ring in (story.world.folder / ".reconciler").rglob("warehouse/**/keyring.db*"):
        ring.unlink()
    block = story.refused("keys-lost", KMS, DW, KEY, cluster())
    says(block, "one backup", "preventDestroy: false", "remove its manifest")
    story.applied(KMS, DW, KEY, cluster(lifecycle=LOOSE))
    story.applied(KMS, DW, KEY)
    assert story.standing("Cluster/c") is None


def keys_of_a_table_that_are_lost(story: Story) -> None:
    encryption = "{type: CUSTOMER_MANAGED_KMS_KEY, key: one}"
    story.applied(KMS, TB, KEY, table(encryption))
    for ring in (story.world.folder / ".reconciler").rglob("tables/**/keyring.db*"):
        ring.unlink()
    says(story.refused("keys-lost", KMS, TB, KEY, table(encryption)), "one backup", "preventDestroy: false")
    story.applied(KMS, TB, KEY, table(encryption, lifecycle=LOOSE))
    story.applied(KMS, TB, KEY)
    assert story.standing("Table/t") is None


def copies_that_would_fall_to_the_owned_key(story: Story) -> None:
    places = KMS + DW + ABROAD
    copying = document("SnapshotCopy", "c", provider="dw", cluster="c", to="dw-us", retention="7d")
    story.applied(places, KEY, cluster())
    says(story.refused("silent-downgrade", places, KEY, cluster(), copying), "SnapshotCopyGrant")
    far = document("Key", "far", provider="kms-us") + document("SnapshotCopyGrant", "g", provider="dw-us", key="far")
    story.applied(places, KEY, cluster(), far, copying + "  grant: g\n")


def a_key_that_is_lost(story: Story) -> None:
    story.applied(KMS, KEY)

    def destroy(session: Session) -> None:
        who, key = caller(session, "kms"), str(session.attributes(Address("Key/one"))["id"])
        key_provider(session, "kms").schedule_key_deletion(who, key, waiting_days=7)

    story.by_hand(destroy)
    story.world.clock.advance(days=8)
    says(story.refused("key-missing", KMS, KEY), "`reconciler state rm Key/one`")
    with story.world.session() as session:
        session.store.acquire("state rm", timeout=0)
        session.store.settle([], gone=[Address("Key/one")])
        session.store.release()
    story.world.apply()
    assert story.standing("Key/one") == "managed"


STORIES: dict[str, Callable[[Story], None]] = {
    name: story
    for name, story in list(globals().items())
    if callable(story) and name.startswith(("a_", "an_", "keys_of", "copies_")) and name != "annotations"
}


@pytest.mark.parametrize("name", STORIES)
def test_the_way_out_that_is_printed_ends_with_the_guard_satisfied(name: str, tmp_path: Path) -> None:
    STORIES[name](Story(World(tmp_path / "project")))
