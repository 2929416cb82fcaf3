"""Any order of loads, statements, snapshots, restores, copies and changes of keys: every cluster and every snapshot has
what it should have, and nothing is left over (I1, I3)."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from reconciler.errors import InvalidClusterStateFault
from reconciler.providers.data import ClusterRequest, Root
from reconciler.providers.warehouse import SnapshotSchedule
from reconciler_warehouse.tests.left_overs import left_over
from reconciler_warehouse.tests.test_due_listing import agree
from reconciler_warehouse.tests.test_schedule import HOURLY
from reconciler_warehouse.tests.worlds import HERE, NONE, OWNED, THERE, World, silent
from tests.amounts import amount

Rows = frozenset[int]
STEPS = 14


def no_file(name: str) -> Any:
    pytest.fail(f"no statement here names a file: {name}")


@dataclass
class Taken:
    """A snapshot as it should be."""

    of: str
    sealed: bool
    tables: dict[str, Rows]


@dataclass
class Model:
    """Two Regions beside what they should hold; every step is one call, with names never used before."""

    world: World
    chance: random.Random
    clusters: dict[str, dict[str, Rows]] = field(default_factory=dict)
    sealed: dict[str, bool] = field(default_factory=dict)
    taken: dict[str, Taken] = field(default_factory=dict)
    copies: dict[str, Taken] = field(default_factory=dict)
    scheduled: set[str] = field(default_factory=set)
    count: int = 0
    told: list[str] = field(default_factory=list)

    def name(self, what: str) -> str:
        self.count += 1
        return f"{what}{self.count}"

    def root(self, *, sealed: bool | None = None) -> Root:
        roots = [OWNED, self.world.key("k1"), self.world.key("k2"), self.world.partition("a")]
        return self.chance.choice(roots if sealed else [NONE] if sealed is False else [NONE, *roots])

    def cluster(self) -> str | None:
        return self.chance.choice(sorted(self.clusters)) if self.clusters else None

    def table(self, cluster: str) -> str | None:
        return self.chance.choice(sorted(self.clusters[cluster])) if self.clusters[cluster] else None

    # --- steps --------------------------------------------------------------------------------------------------------

    def create(self) -> None:
        if len(self.clusters) < 3:
            name, root = self.name("c"), self.root()
            self.world.create(root, name, name)
            self.clusters[name], self.sealed[name] = {}, root != NONE
            self.load(name)

    def load(self, cluster: str | None = None) -> None:
        cluster = cluster or self.cluster()
        if cluster is not None:
            table = self.table(cluster) if self.chance.random() < 0.5 else None
            table = table or self.name("t")
            first, size = 1000 * self.count, self.chance.choice([3, 40])
            self.count += 1
            rows = "".join(f"{first + one},{'x' * self.chance.choice([1, 4000])}\n" for one in range(size))
            self.world.load(self.world.file(f"{first}.csv", f"id,tail\n{rows}"), table=table, name=cluster)
            before = self.clusters[cluster].get(table, frozenset())
            self.clusters[cluster][table] = before | frozenset(range(first, first + size))

    def delete_rows(self) -> None:
        cluster = self.cluster()
        table = None if cluster is None else self.table(cluster)
        if cluster is not None and table is not None:
            third = self.chance.randrange(3)
            self.execute(cluster, f"DELETE FROM {table} WHERE id % 3 = {third}")  # noqa: S608  # ours
            self.clusters[cluster][table] = frozenset(one for one in self.clusters[cluster][table] if one % 3 != third)

    def drop_table(self) -> None:
        cluster = self.cluster()
        table = None if cluster is None else self.table(cluster)
        if cluster is not None and table is not None:
            self.execute(cluster, f"DROP TABLE {table}")
            del self.clusters[cluster][table]

    def execute(self, cluster: str, statement: str) -> None:
        self.world.warehouse().execute(self.world.caller, cluster, statement, open_file=no_file, token=self.name("e"))

    def take(self) -> None:
        cluster = self.cluster()
        if cluster is not None:
            name = self.name("s")
            self.world.warehouse().create_snapshot(self.world.caller, cluster, name, retention_days=None, token=name)
            self.taken[name] = self.state(cluster)

    def state(self, cluster: str) -> Taken:
        return Taken(of=cluster, sealed=self.sealed[cluster], tables=dict(self.clusters[cluster]))

    def due(self) -> None:
        self.world.clock.advance(hours=1)
        there = {one.name for one in self.world.warehouse().describe_snapshots(self.world.caller)}
        listed = self.world.warehouse().due_work(self.world.caller, at=self.world.clock.now())
        agree(listed, self.world.warehouse().do_due_work(self.world.caller, progress=silent))
        for one in self.world.warehouse().describe_snapshots(self.world.caller):
            if one.name not in there:
                assert one.cluster in self.scheduled
                self.taken[one.name] = self.state(one.cluster)

    def schedule(self) -> None:
        cluster = self.cluster()
        if cluster is not None:
            wanted: SnapshotSchedule | None = self.chance.choice([HOURLY, HOURLY, None])
            self.world.warehouse().set_snapshot_schedule(self.world.caller, cluster, wanted)
            (self.scheduled.add if wanted else self.scheduled.discard)(cluster)

    def restore(self) -> None:
        if self.taken and len(self.clusters) < 5:
            name = self.chance.choice(sorted(self.taken))
            self.restored(HERE, name, self.taken[name])

    def restored(self, region: str, snapshot: str, taken: Taken) -> None:
        name, root = self.name("r"), OWNED if region == THERE else self.root(sealed=True if taken.sealed else None)
        request = ClusterRequest(name=name, node_type="ra3.large", nodes=1, database="dev", root=root)
        self.world.warehouse(region).restore_cluster(self.world.caller, request, snapshot, progress=silent, token=name)
        if region == HERE:
            self.clusters[name], self.sealed[name] = dict(taken.tables), root != NONE
            self.notice(name)
        else:
            self.holds(region, name, taken.tables)
            self.world.warehouse(region).delete_cluster(self.world.caller, name)

    def restore_table(self) -> None:
        own = [name for name, taken in self.taken.items() if taken.of in self.clusters and taken.tables]
        if own:
            name = self.chance.choice(sorted(own))
            taken, new = self.taken[name], self.name("t")
            table = self.chance.choice(sorted(taken.tables))
            if taken.sealed != self.sealed[taken.of]:
                with pytest.raises(InvalidClusterStateFault):
                    self.call_restore_table(taken.of, name, table, new)
            else:
                self.call_restore_table(taken.of, name, table, new)
                self.clusters[taken.of][new] = taken.tables[table]

    def call_restore_table(self, cluster: str, snapshot: str, table: str, new: str) -> None:
        self.world.warehouse().restore_table(
            self.world.caller, cluster, snapshot, table, new, progress=silent, token=new
        )

    def copy(self) -> None:
        own = [
            name
            for name, taken in self.taken.items()
            if taken.of in self.clusters and taken.sealed == self.sealed[taken.of] and name not in self.copies
        ]
        if own:
            name = self.chance.choice(sorted(own))
            there, who = self.world.warehouse(THERE), self.world.caller
            self.world.warehouse().enable_snapshot_copy(who, self.taken[name].of, there, grant=None, retention_days=99)
            self.world.warehouse().copy_snapshot(who, name, there, progress=silent, token=name)
            self.world.warehouse().disable_snapshot_copy(who, self.taken[name].of)
            self.copies[name] = self.taken[name]

    def forget(self) -> None:
        if self.taken:
            name = self.chance.choice(sorted(self.taken))
            self.world.warehouse().delete_snapshot(self.world.caller, name)
            del self.taken[name]

    def remove(self) -> None:
        cluster = self.cluster()
        if cluster is not None and len(self.clusters) > 1:
            self.world.warehouse().delete_cluster(self.world.caller, cluster)
            del self.clusters[cluster]
            self.scheduled.discard(cluster)

    def modify(self) -> None:
        cluster = self.cluster()
        if cluster is not None:
            root = self.root()
            self.world.warehouse().modify_encryption(
                self.world.caller, cluster, root, progress=silent, token=self.name("m")
            )
            self.sealed[cluster] = root != NONE
            self.notice(cluster)

    def notice(self, cluster: str) -> None:
        """The first snapshot after an encryption (RE10)."""
        for one in self.world.warehouse().describe_snapshots(self.world.caller):
            if one.name not in self.taken:
                assert (one.cluster, one.kind) == (cluster, "automated")
                self.taken[one.name] = self.state(cluster)

    def rotate(self) -> None:
        cluster = self.cluster()
        if cluster is not None and self.sealed[cluster]:
            self.world.warehouse().rotate_encryption_key(
                self.world.caller, cluster, progress=silent, token=self.name("k")
            )

    def reopen(self) -> None:
        self.world.reopen()

    # --- what must hold -----------------------------------------------------------------------------------------------

    def check(self) -> None:
        for cluster, tables in self.clusters.items():
            self.holds(HERE, cluster, tables)
        assert {one.name for one in self.world.warehouse().describe_snapshots(self.world.caller)} == set(self.taken)
        assert left_over(self.world) == left_over(self.world, THERE) == {}

    def holds(self, region: str, cluster: str, tables: dict[str, Rows]) -> None:
        (found,) = self.world.warehouse(region).describe_clusters(self.world.caller, [cluster])
        assert {one.name for one in found.tables} == set(tables)
        for table, rows in tables.items():
            answer = self.world.warehouse(region).select(self.world.caller, cluster, f"SELECT id FROM {table}").rows  # noqa: S608  # ours
            assert sorted(one for (one,) in answer) == sorted(rows), (cluster, table)

    def everything_opens(self) -> None:
        for name, taken in list(self.taken.items()):
            self.restored(HERE, name, taken)
        for name, taken in self.copies.items():
            self.restored(THERE, name, taken)
        self.check()


WEIGHTS: dict[Callable[[Model], Any], int] = {
    Model.create: 2,
    Model.load: 4,
    Model.delete_rows: 3,
    Model.drop_table: 1,
    Model.take: 5,
    Model.due: 2,
    Model.schedule: 1,
    Model.restore: 4,
    Model.restore_table: 3,
    Model.copy: 2,
    Model.forget: 3,
    Model.remove: 1,
    Model.modify: 3,
    Model.rotate: 3,
    Model.reopen: 1,
}


@pytest.mark.parametrize("seed", range(amount(2, 400)))
def test_any_order_of_calls_leaves_what_it_should(seed: int, world: World) -> None:
    model = Model(world, random.Random(seed))  # noqa: S311  # which call comes next, no secret
    model.create()
    for step in model.chance.choices(list(WEIGHTS), list(WEIGHTS.values()), k=STEPS):
        model.told.append(step.__name__)
        step(model)
        model.check()
    model.everything_opens()
