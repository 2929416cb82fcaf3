"""What a world looks like to whoever uses it, without the ids that differ from run to run.

Two worlds that were brought to the same end have equal portraits: the same objects, each once, the same bytes behind
them, the same wrapped keys, grants and files, and a state that says just that.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from reconciler.access.caller import Caller
from reconciler.commands.context import Globals
from reconciler.commands.session import Session
from reconciler.errors import DisabledException, KMSInvalidStateException, NotFoundException
from reconciler.providers.data import Root, RootKind
from reconciler.providers.keys import KeyState
from reconciler.providers.plugin import HSM, KEYS, TABLES, WAREHOUSE
from reconciler.providers.typed import caller
from tests.campaign.declared import HERE
from tests.campaign.looking import Looking
from tests.faults.hsm_on_disk import HsmOnDisk
from tests.world import World

CONTEXT = {"purpose": "kept"}
TEXT = b"sealed before anything was killed"


class Eye(Looking):
    """A look at one world, by its declared Providers."""

    def __init__(self, session: Session, folder: Path) -> None:
        super().__init__(session, folder)
        self._keys: dict[str, str] = {}

    @property
    def who(self) -> Caller:
        return caller(self.session, "kms")

    def declared(self, protocol: str) -> list[str]:
        """Regions that have a Provider of that protocol."""
        providers = self.session.manifests.providers
        pool = self.session.pool
        return sorted({providers[name].region for name in providers if pool.protocol_of(name) == protocol})

    def name_of(self, arn: str | None) -> str:
        """A key by its description; it stays the same from run to run."""
        if not self._keys:
            for region in self.declared(KEYS):
                self._keys |= {key.arn: key.description for key in self.keys(region).list_keys(self.who)}
        return "-" if arn is None else self._keys.get(arn, "owned")

    def root(self, root: Root) -> str:
        if root.kind is RootKind.HSM:
            return str(root.partition)
        return self.name_of(root.key_arn) if root.kind is RootKind.KMS else str(root.kind)

    def hsm(self) -> dict[str, tuple[int, int]]:
        """How many cluster keys each partition has, and how many of them are retired."""
        found = self.session.provider("hsm")
        assert isinstance(found, HsmOnDisk)
        return found.keys_by_partition()

    def held(self) -> dict[str, Any]:
        """Everything readable, read."""
        found: dict[str, Any] = {}
        for region in self.declared(WAREHOUSE):
            warehouse = self.warehouse(region)
            for cluster in warehouse.describe_clusters(self.who):
                stored = self.stored_rows(region, cluster.name)
                found |= {f"cluster {cluster.name}.{table.name}": stored[table.name] for table in cluster.tables}
            for snapshot in warehouse.describe_snapshots(self.who):
                name = snapshot.name if snapshot.kind == "manual" else snapshot.kind
                found[f"snapshot {region} {name}"] = self.snapshot_rows(region, snapshot.name)
        if self.declared(TABLES):
            for one in self.tables.describe_tables(self.who):
                if one.status != "DELETING":
                    found[f"table {one.name}"] = self.partition(one.name, 1)
        return found


def held(world: World) -> dict[str, Any]:
    """What can be read in a world: rows of clusters, snapshots and tables by the name of what holds them."""
    with _session(world) as session:
        return Eye(session, world.folder).held()


def kept_secrets(world: World) -> dict[str, bytes]:
    """A text sealed under each enabled key: it must open as long as the key does."""
    with _session(world) as session:
        eye = Eye(session, world.folder)
        keys = eye.capable(HERE)
        return {
            key.description: keys.encrypt(eye.who, key.key_id, TEXT, CONTEXT)
            for key in keys.list_keys(eye.who)
            if key.state is KeyState.ENABLED and key.key_spec == "SYMMETRIC_DEFAULT"
        }


def secrets_open(world: World, sealed: dict[str, bytes]) -> dict[str, str]:
    """How each sealed text answers: open, or the state of its key."""
    with _session(world) as session:
        eye = Eye(session, world.folder)
        found = {}
        for name, blob in sealed.items():
            try:
                opened = eye.keys(HERE).decrypt(eye.who, blob, CONTEXT)
                assert bytes(opened.plaintext.expose_key_bytes()) == TEXT
                found[name] = "open"
            except (DisabledException, KMSInvalidStateException, NotFoundException) as error:
                found[name] = type(error).__name__
        return found


def portrait(world: World) -> dict[str, list[str]]:
    """The world, in sorted lines."""
    with _session(world) as session:
        eye = Eye(session, world.folder)
        found: dict[str, list[str]] = {"state": sorted(_state(session))}
        for region in eye.declared(KEYS):
            found[f"keys {region}"] = sorted(_keys(eye, region))
        for region in eye.declared(WAREHOUSE):
            found[f"warehouse {region}"] = sorted(_warehouse(eye, region))
            stray = eye.stray_files(region)
            assert not stray, f"files in {region} that nothing refers to: {stray}"
        if eye.declared(TABLES):
            found["tables"] = sorted(_tables(eye))
        if eye.declared(HSM):
            found["hsm"] = sorted(f"{name}: {keys}" for name, keys in eye.hsm().items())
        found["census"] = sorted(f"{use.what} of {eye.name_of(use.key_arn)}" for use in session.census().uses)
        found["held"] = sorted(f"{name}: {rows}" for name, rows in eye.held().items())
        found["ring"] = sorted(_rings(world.folder))
        return found


def difference(expected: dict[str, list[str]], found: dict[str, list[str]]) -> list[str]:
    """What one portrait has and the other has not."""
    lines = {part: (Counter(expected.get(part, ())), Counter(found.get(part, ()))) for part in expected | found}
    lacking = [f"{part}: lacks {line}" for part, (one, other) in lines.items() for line in one - other]
    return lacking + [f"{part}: has {line}" for part, (one, other) in lines.items() for line in other - one]


def _state(session: Session) -> Iterator[str]:
    for row in session.reader.all():
        references = sorted(row.references)
        # What a step copied abroad is recorded; what the warehouse copied by itself, before a step came to it, is not.
        # The copies themselves are compared where they are.
        named = sorted(row.attributes.keys() - {"copied"})
        yield f"{row.address} {row.standing} {row.settled} {row.protected} {named} {references}"
    yield from (f"open: {intent.address} {intent.step}" for intent in session.reader.open_intents())


def _keys(eye: Eye, region: str) -> Iterator[str]:
    service = eye.capable(region)
    for key in service.list_keys(eye.who):
        materials = eye.materials(region, key.key_id)
        tags = dict(sorted(key.tags.items()))
        yield f"key {key.description} {key.state} {key.rotation_period_days} {materials} materials {tags}"
        for grant in service.list_grants(eye.who, key.key_id):
            yield f"grant {key.description} {grant.grantee_principal} {grant.operations} {grant.name is None}"
        for document in service.get_key_policies(eye.who, [key.key_id]).values():
            yield f"policy {key.description} {document}"
    for alias in service.list_aliases(eye.who):
        names = {key.key_id: key.description for key in service.list_keys(eye.who)}
        yield f"alias {alias.name} {names.get(alias.target_key_id)}"


def _warehouse(eye: Eye, region: str) -> Iterator[str]:
    warehouse = eye.warehouse(region)
    for cluster in warehouse.describe_clusters(eye.who):
        tables = [(table.name, table.rows, len(table.loads), table.backup) for table in cluster.tables]
        copy = None if cluster.copy is None else (cluster.copy.region, cluster.copy.grant_name)
        yield (
            f"cluster {cluster.name} {cluster.status} {cluster.nodes} {eye.root(cluster.root)} {tables} copy {copy}"
            f" rotated {eye.rotations(region, cluster.uid)}"
        )
    for snapshot in warehouse.describe_snapshots(eye.who):
        name = snapshot.name if snapshot.kind == "manual" else snapshot.kind
        yield f"snapshot {name} {snapshot.status} {snapshot.cluster} {eye.root(snapshot.root)} {snapshot.source_region}"
    for share in warehouse.describe_data_shares(eye.who):
        yield f"share {share.name} {share.producer} {share.consumer} {share.tables} {share.status}"
    for grant in warehouse.describe_snapshot_copy_grants(eye.who):
        yield f"copy grant {grant.name} {eye.root(grant.root)} {len(grant.copying)}"


def _tables(eye: Eye) -> Iterator[str]:
    for keyspace in eye.tables.describe_keyspaces(eye.who):
        yield f"keyspace {keyspace.name} {keyspace.replication}"
    for table in eye.tables.describe_tables(eye.who):
        key, grants = eye.name_of(table.key_arn), int(table.grant_id is not None)
        yield f"table {table.keyspace}.{table.name} {table.status} {key}, {grants} grants, {table.rows} rows"


def _rings(folder: Path) -> Iterator[str]:
    """How many rows each table of each store has that holds keys, their uses or files: nothing orphaned, none twice."""
    for path in sorted((folder / ".reconciler").rglob("*.db")):
        if path.name == "state.db" or "cache" in path.parts:
            continue
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as store:
            (whole,) = store.execute("PRAGMA integrity_check").fetchone()
            assert whole == "ok", f"{path}: {whole}"
            tables = store.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            for (table,) in tables:
                if table.startswith("sqlite_") or table in NOT_THE_SAME_EACH_TIME:
                    continue
                (count,) = store.execute(f'SELECT count(*) FROM "{table}"').fetchone()  # noqa: S608  # its own schema
                yield f"{path.relative_to(folder)} {table} {count}"


# A call that is repeated is told of twice; what was half made and given up is noted as gone; locks count on. What could
# not be done is an event, epochs of readers count commits that took files away, and the clock of snapshots those that
# were taken, the sealed backup of a cluster whose key was refused for a while among them (RE8). What material is
# wrapped with for its import lies there for a day, used or not; that a replica was being made, until the next use of
# its primary. The tags of manifests are one a commit.
NOT_THE_SAME_EACH_TIME = {
    *("audit", "audit_said", "audit_coming", "audit_head", "audit_spools", "dropped", "fence", "mark"),
    *("event", "reading_epoch", "snapshot_clock", "manifest_past"),
    *("replicating", "wrapping_keys"),
}


def _session(world: World) -> Session:
    (world.folder / "reconciler.yaml").write_text("home: .reconciler\n")
    return Session(Globals(directory=str(world.folder)), clock=world.clock, random=world.random)
