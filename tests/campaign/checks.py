"""What must hold after each step of a soak, whatever was killed meanwhile (I1, I3, I10, I11, I18)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from reconciler.access.equality import policies_equal
from reconciler.model.address import Address
from reconciler.providers.data import RootKind
from reconciler.providers.keys import KeyState
from tests.campaign import running
from tests.campaign.declared import APP, HERE, OWNED, PLAIN, THERE, Declared, Known, Rows
from tests.campaign.looking import Looking, looking


def check(folder: Path, declared: Declared, known: Known, before: Mapping[str, Rows]) -> None:
    """Everything; ``before`` is what clusters held before the step, for snapshots that it took on the way."""
    with looking(folder) as seen:
        _settled(folder, declared, seen)
        _clusters(declared, known, seen)
        for region in (HERE, THERE):
            _snapshots(region, declared, known, before, seen)
        _tables(declared, known, seen)
        _census(declared, seen)
        _left_behind(declared, known, seen)
        _keys(declared, known, seen)
        _nothing_undeclared(declared, seen)
        drifted = {(finding["address"], finding["class"]) for finding in running.drift(folder)[1]}
        drifted -= _nobodys(declared, seen)
        assert drifted == _plaintext_snapshots(declared, known, seen), drifted


def _settled(folder: Path, declared: Declared, seen: Looking) -> None:
    plan = running.command(folder, "plan", "--detailed-exitcode")
    assert plan.code == 0, plan.out + plan.err
    assert not seen.session.reader.open_intents()
    unsettled = [row.address for row in seen.session.reader.all() if not row.settled and row.standing == "managed"]
    assert not unsettled, unsettled


def _clusters(declared: Declared, known: Known, seen: Looking) -> None:
    there = {one.name: one for one in seen.warehouse(HERE).describe_clusters(seen.who)}
    assert there.keys() == declared.clusters.keys()
    for name, one in declared.clusters.items():
        found = there[name]
        assert found.status == "available"
        assert (found.root.kind, found.root.key_arn) == _root(one.root, seen), (name, found.root)
        assert {table.name for table in found.tables} == known.clusters[name].keys()
        for table, rows in known.clusters[name].items():
            assert seen.cluster_rows(HERE, name, table) == sorted(rows), f"rows of {name}.{table}"
        count = seen.rotations(HERE, found.uid)
        assert count == known.rotations.get(f"Cluster/{name}", 0), f"{name} was rotated {count} times"


def _root(root: str, seen: Looking) -> tuple[RootKind, str | None]:
    if root in (OWNED, PLAIN):
        return (RootKind.OWNED if root == OWNED else RootKind.NONE), None
    return RootKind.KMS, arn(seen, root)


def arn(seen: Looking, key: str) -> str:
    return str(seen.session.attributes(Address(f"Key/{key}"))["arn"])


def _snapshots(region: str, declared: Declared, known: Known, before: Mapping[str, Rows], seen: Looking) -> None:
    found = {one.name: one for one in seen.warehouse(region).describe_snapshots(seen.who)}
    if region == HERE:
        missing = declared.snapshots.keys() - found.keys()
        assert not missing, missing
    clusters = {one.uid: one for one in seen.warehouse(HERE).describe_clusters(seen.who)}
    for name, one in found.items():
        rows = seen.snapshot_rows(region, name)
        if one.uid not in known.snapshots:
            possible = [known.clusters.get(one.cluster, {}), before.get(one.cluster, {})]
            assert rows in possible, f"snapshot {name} holds what {one.cluster} never held"
            known.snapshots[one.uid] = (rows, one.root.kind is RootKind.NONE)
        kept, is_plain = known.snapshots[one.uid]
        assert rows == kept, f"rows of snapshot {name} in {region}"
        assert is_plain == (one.root.kind is RootKind.NONE), f"root of snapshot {name} in {region}"
    if region == THERE:
        arrived = {one.source_arn for one in found.values()}
        for one in seen.warehouse(HERE).describe_snapshots(seen.who):
            cluster = clusters.get(one.cluster_uid)
            stays = cluster is None or (one.root.kind is not RootKind.NONE and not cluster.encrypted)
            if not stays and cluster is not None and cluster.name in declared.copying:
                assert one.arn in arrived, f"{one.name} was not copied"


def _tables(declared: Declared, known: Known, seen: Looking) -> None:
    there = {one.name: one for one in seen.tables.describe_tables(seen.who)}
    assert there.keys() == declared.tables.keys()
    for name, one in declared.tables.items():
        assert there[name].status == "ACTIVE"
        assert there[name].key_arn == (None if one.root == OWNED else arn(seen, one.root)), name
        kept = known.tables.get(name, {})
        for number in {place[0] for place in kept} | {0}:
            rows = [(row["at"], row["note"]) for row in seen.partition(name, number)]
            assert rows == sorted((at, note) for (place, at), note in kept.items() if place == number), name


def _census(declared: Declared, seen: Looking) -> None:
    census = seen.session.census()
    assert not census.unreachable
    named = {(use.key_arn, use.what, use.name) for use in census.uses}
    assert not [use for use in census.uses if use.what == "cluster-key"], "a wrapped key that nothing points at"
    for region in (HERE, THERE):
        warehouse = seen.warehouse(region)
        for cluster in warehouse.describe_clusters(seen.who):
            if cluster.encrypted:
                assert (seen.key_of(region, cluster.uid), "cluster", cluster.name) in named
        for snapshot in warehouse.describe_snapshots(seen.who):
            key = seen.key_of(region, snapshot.uid)
            assert key is None or (key, "snapshot", snapshot.name) in named, snapshot.name
        for grant in warehouse.describe_snapshot_copy_grants(seen.who):
            if grant.root.key_arn:
                assert (grant.root.key_arn, "snapshot-copy-grant", grant.name) in named
        for one in seen.keys(region).list_keys(seen.who):
            if one.state is KeyState.PENDING_DELETION:
                assert not census.of(one.arn), f"{one.description} goes, and opens {census.of(one.arn)}"
    for table in seen.tables.describe_tables(seen.who):
        if table.key_arn:
            assert (table.key_arn, "table", f"shop.{table.name}") in named


def _left_behind(declared: Declared, known: Known, seen: Looking) -> None:
    for region in (HERE, THERE):
        stray = seen.stray_files(region)
        assert not stray, f"files in {region} that nothing refers to: {stray}"
        needed = seen.grants_in_use(region)
        if region == HERE:
            needed |= {table.grant_id for table in seen.tables.describe_tables(seen.who) if table.grant_id}
        held = set[str]().union(*(seen.grants(region, key.key_id) for key in seen.keys(region).list_keys(seen.who)))
        assert held == needed, f"service grants in {region}: unneeded {held - needed}, lacking {needed - held}"
    plain = [rows for name, rows in known.clusters.items() if declared.clusters[name].root == PLAIN]
    there = {one.uid for region in (HERE, THERE) for one in seen.warehouse(region).describe_snapshots(seen.who)}
    plain += [rows for uid, (rows, is_plain) in known.snapshots.items() if is_plain and uid in there]
    allowed = {tail for tables in plain for rows in tables.values() for _, tail, _ in rows}
    found = seen.canaries()
    assert found <= allowed, f"plaintext on disk: {sorted(found - allowed)[:3]}"
    assert bool(found) == bool(allowed), "plaintext is not seen where it must be: the search is no good"


def _keys(declared: Declared, known: Known, seen: Looking) -> None:
    for region, service in ((HERE, "kms"), (THERE, "kms-us")):
        found = {one.description: one for one in seen.keys(region).list_keys(seen.who)}
        assert len(found) == len(seen.keys(region).list_keys(seen.who)), "a key was made twice"
        mine = {name: key for name, key in declared.keys.items() if key.provider == service}
        assert found.keys() == mine.keys()
        for name, key in mine.items():
            wanted = KeyState.ENABLED if key.enabled else KeyState.DISABLED
            assert found[name].state is (KeyState.PENDING_DELETION if key.leaving else wanted), name
            count = seen.materials(region, found[name].key_id) - 1
            assert count == known.rotations.get(f"Key/{name}", 0), f"{name} was rotated {count} times"


def _nothing_undeclared(declared: Declared, seen: Looking) -> None:
    """Names, grants, policies and copying: what is declared, and nothing that an interrupted apply left."""
    service, ids = seen.capable(HERE), {name: arn(seen, name).rpartition("/")[2] for name in declared.keys}
    aliases = {one.name.removeprefix("alias/"): one.target_key_id for one in service.list_aliases(seen.who)}
    assert aliases == {alias: ids[key] for alias, key in declared.aliases.items()}
    for name, key in declared.keys.items():
        if key.provider != "kms" or key.leaving:
            continue
        held = [one.operations for one in service.list_grants(seen.who, ids[name]) if one.grantee_principal == APP]
        assert [sorted(one) for one in held] == ([sorted(key.grant)] if key.grant else []), f"grants on {name}"
        (document,) = service.get_key_policies(seen.who, [ids[name]]).values()
        is_default = policies_equal(document, service.default_key_policy())
        assert is_default == (not key.policy), f"policy of {name}"
    for cluster in seen.warehouse(HERE).describe_clusters(seen.who):
        assert (cluster.copy is None) == (cluster.name not in declared.copying), f"copying of {cluster.name}"


def _nobodys(declared: Declared, seen: Looking) -> set[tuple[str, str]]:
    """Snapshots that may be called unmanaged: forgotten, or left by a cluster that is gone."""
    there = {one.name for region in (HERE, THERE) for one in seen.warehouse(region).describe_snapshots(seen.who)}
    return {(f"Snapshot/{name}", "resource-unmanaged") for name in there - declared.snapshots.keys()}


def _plaintext_snapshots(declared: Declared, known: Known, seen: Looking) -> set[tuple[str, str]]:
    """The one kind of drift that stays: snapshots and copies from before an encryption, declared or not (RE15)."""
    clusters = {one.uid: one.name for one in seen.warehouse(HERE).describe_clusters(seen.who)}
    return {
        (f"Snapshot/{one.name}", "plaintext-snapshot")
        for region in (HERE, THERE)
        for one in seen.warehouse(region).describe_snapshots(seen.who)
        if known.snapshots[one.uid][1]
        and one.cluster_uid in clusters
        and declared.clusters[clusters[one.cluster_uid]].root != PLAIN
    }
