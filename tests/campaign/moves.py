"""Changes of the manifests, drawn at random: each a few lines that a person could have written."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import TypeVar

from tests.campaign.declared import OWNED, PLAIN, Cluster, Copying, Declared, Key, Row, Snapshot, Table

T = TypeVar("T")
OPERATIONS = (("Decrypt",), ("Decrypt", "Encrypt"), ("DescribeKey",))


@dataclass
class Move:
    """What was done. ``refused``: whether a guard must refuse it; None: it may. ``forgets`` are addresses that are to
    be forgotten (``state rm``) before."""

    text: str
    refused: bool | None = False
    forgets: tuple[str, ...] = ()


@dataclass
class Draw:
    """Where a move's choices come from. ``used`` are the keys that the census names; ``alone``: no other move joins
    in, so that it is known what must be refused."""

    chance: random.Random
    used: Collection[str]
    alone: bool

    def one(self, choices: Iterable[T]) -> T | None:
        found = list(choices)
        return self.chance.choice(found) if found else None

    def number(self, prefix: str) -> str:
        return f"{prefix}{self.chance.randrange(10**9)}"

    def rows(self) -> list[Row]:
        first = self.chance.randrange(10**9)
        return [
            (first + offset, f"CANARY-{self.chance.getrandbits(48):012x}", offset / 2)
            for offset in range(self.chance.choice((1, 3, 40)))
        ]


def another_root(draw: Draw, declared: Declared) -> Move | None:
    name = draw.one(declared.clusters)
    if name is None:
        return None
    one = declared.clusters[name]
    root = draw.one({OWNED, PLAIN, *declared.usable()} - {one.root})
    if root is None:
        return None
    old, one.root, one.silent = one.root, root, False
    return Move(f"{name}: {old} → {root}")


def silent(draw: Draw, declared: Declared) -> Move | None:
    """No encryption block: the owned root stays, any other is never lost by omission."""
    name = draw.one(name for name, one in declared.clusters.items() if not one.silent and not one.trigger)
    if name is None or not draw.alone:  # together with another root it would mean the one from before
        return None
    declared.clusters[name].silent = True
    return Move(f"{name} is silent about its root")


def rotate_cluster(draw: Draw, declared: Declared) -> Move | None:
    name = draw.one(name for name, one in declared.clusters.items() if one.root != PLAIN and not one.silent)
    if name is None:
        return None
    declared.clusters[name].trigger += 1
    return Move(f"{name} rotates")


def rotate_key(draw: Draw, declared: Declared) -> Move | None:
    name = draw.one([*declared.usable(), *declared.usable("kms-us")])
    if name is None:
        return None
    declared.keys[name].trigger += 1
    return Move(f"{name} rotates")


def resize(draw: Draw, declared: Declared) -> Move | None:
    name = draw.one(declared.clusters)
    if name is None:
        return None
    declared.clusters[name].nodes = draw.chance.randint(1, 8)
    return Move(f"{name} × {declared.clusters[name].nodes}")


def add_load(draw: Draw, declared: Declared) -> Move | None:
    name = draw.one(declared.clusters)
    return None if name is None else _load(draw, declared, name)


def _load(draw: Draw, declared: Declared, name: str) -> Move:
    path, table = f"manifests/{draw.number('f')}.csv", draw.chance.choice(("t1", "t2"))
    declared.files[path] = draw.rows()
    declared.clusters[name].tables.setdefault(table, []).append(path)
    return Move(f"{name}.{table} loads {path}")


def remove_load(draw: Draw, declared: Declared) -> Move | None:
    """What was loaded stays loaded."""
    name = draw.one(name for name, one in declared.clusters.items() if any(len(p) > 1 for p in one.tables.values()))
    if name is None:
        return None
    paths = next(paths for paths in declared.clusters[name].tables.values() if len(paths) > 1)
    gone = paths.pop(draw.chance.randrange(len(paths)))
    return Move(f"{name} no longer names {gone}")


def change_file(draw: Draw, declared: Declared) -> Move | None:
    name = draw.one(name for name, one in declared.clusters.items() if one.tables)
    if name is None:
        return None
    one = declared.clusters[name]
    path = draw.one(path for paths in one.tables.values() for path in paths)
    assert path is not None
    one.mode = draw.chance.choice((None, "append", "replace"))
    declared.files[path] = draw.rows()
    return Move(f"{path} of {name} changed, mode {one.mode}")


def new_cluster(draw: Draw, declared: Declared) -> Move | None:
    name = draw.one({"c1", "c2"} - declared.clusters.keys())
    root = draw.one([OWNED, PLAIN, *declared.usable(), *declared.usable()])
    if name is None or root is None:
        return None
    declared.clusters[name] = Cluster(root, protected=draw.chance.random() < 0.5)
    _load(draw, declared, name)
    return Move(f"new {name} under {root}")


def remove_cluster(draw: Draw, declared: Declared) -> Move | None:
    """Destroyed for good; protected snapshots of it are forgotten first, and stay where they are."""
    name = draw.one(name for name, one in declared.clusters.items() if not one.protected)
    if name is None or not draw.alone:
        return None
    mine = {snapshot: one for snapshot, one in declared.snapshots.items() if one.cluster == name}
    forgotten = [snapshot for snapshot, one in mine.items() if one.protected or one.hidden]
    for snapshot in mine:
        del declared.snapshots[snapshot]
    del declared.clusters[name]
    declared.copying.pop(name, None)
    return Move(f"{name} is destroyed, {forgotten} forgotten", forgets=tuple(f"Snapshot/{one}" for one in forgotten))


def protect(draw: Draw, declared: Declared) -> Move | None:
    named: dict[str, Cluster | Snapshot | Key | Table] = {}
    named |= declared.clusters
    named |= {name: one for name, one in declared.snapshots.items() if not one.hidden}
    named |= {name: one for name, one in declared.keys.items() if not one.hidden and not one.leaving}
    named |= {name: one for name, one in declared.tables.items() if not one.hidden}
    name = draw.one(named)
    if name is None:
        return None
    named[name].protected = not named[name].protected
    return Move(f"{name} is {'' if named[name].protected else 'not '}protected")


def new_snapshot(draw: Draw, declared: Declared) -> Move | None:
    cluster = draw.one(declared.clusters)
    if cluster is None or len(declared.snapshots) > 5:
        return None
    name = draw.number("s")
    declared.snapshots[name] = Snapshot(cluster, protected=draw.chance.random() < 0.5)
    return Move(f"snapshot {name} of {cluster}")


def remove_snapshot(draw: Draw, declared: Declared) -> Move | None:
    name = draw.one(name for name, one in declared.snapshots.items() if not one.hidden)
    if name is None or not draw.alone:  # what was never applied is not kept when its manifest goes
        return None
    if declared.snapshots[name].protected:
        declared.snapshots[name].hidden = True
        return Move(f"snapshot {name} is no longer declared, and stays")
    del declared.snapshots[name]
    return Move(f"snapshot {name} goes")


def declare_again(draw: Draw, declared: Declared) -> Move | None:
    hidden: dict[str, Snapshot | Table | Key] = {}
    hidden |= {name: one for name, one in declared.snapshots.items() if one.hidden}
    hidden |= {name: one for name, one in declared.tables.items() if one.hidden}
    hidden |= {name: one for name, one in declared.keys.items() if one.hidden or one.leaving}
    name = draw.one(hidden)
    if name is None:
        return None
    one = hidden[name]
    one.hidden = False
    if isinstance(one, Key):
        one.leaving, one.enabled = False, True
    elif isinstance(one, Table) and one.root != OWNED:
        declared.keys[one.root].hidden = False
    return Move(f"{name} is declared again")


def copying_on(draw: Draw, declared: Declared) -> Move | None:
    cluster = draw.one(declared.clusters)
    if cluster is None:
        return None
    grant = draw.one([*declared.copy_grants, *declared.copy_grants, ""])
    declared.copying[cluster] = Copying(grant or None, draw.chance.choice((7, 14)))
    return Move(f"{cluster} is copied through {grant or 'no grant'}")


def copying_off(draw: Draw, declared: Declared) -> Move | None:
    cluster = draw.one(declared.copying)
    if cluster is None:
        return None
    del declared.copying[cluster]
    return Move(f"{cluster} is no longer copied")


def new_copy_grant(draw: Draw, declared: Declared) -> Move | None:
    key = draw.one([OWNED, *declared.usable("kms-us")])
    if key is None or len(declared.copy_grants) > 2:
        return None
    name = draw.number("g")
    declared.copy_grants[name] = key
    return Move(f"copy grant {name} under {key}")


def remove_copy_grant(draw: Draw, declared: Declared) -> Move | None:
    needed = {one.grant for one in declared.copying.values()}
    name = draw.one(name for name in declared.copy_grants if name not in needed)
    if name is None:
        return None
    del declared.copy_grants[name]
    return Move(f"copy grant {name} goes")


def new_key(draw: Draw, declared: Declared) -> Move | None:
    name = draw.one({"k1", "k2", "k3", "u1", "u2"} - declared.keys.keys())
    if name is None:
        return None
    service = "kms" if name.startswith("k") else "kms-us"
    declared.keys[name] = Key(service, protected=draw.chance.random() < 0.5)
    return Move(f"new key {name}")


def remove_key(draw: Draw, declared: Declared) -> Move | None:
    needed = {one.root for one in declared.clusters.values()} | set(declared.copy_grants.values())
    needed |= {one.root for one in declared.tables.values() if not one.hidden}
    name = draw.one(
        name for name, one in declared.keys.items() if name not in needed and not one.hidden and not one.leaving
    )
    if name is None or not draw.alone:
        return None
    key = declared.keys[name]
    declared.aliases = {alias: target for alias, target in declared.aliases.items() if target != name}
    is_needed_by_hidden = any(one.root == name for one in declared.tables.values())
    if key.protected or is_needed_by_hidden:
        key.hidden = True
        return Move(f"{name} is no longer declared, and stays")
    key.leaving = True
    return Move(f"{name} goes", refused=name in draw.used)


def disable_key(draw: Draw, declared: Declared) -> Move | None:
    needed = {one.root for one in declared.clusters.values()} | {one.root for one in declared.tables.values()}
    name = draw.one(one for one in [*declared.usable(), *declared.usable("kms-us")] if one not in needed)
    if name is None or not draw.alone:
        return None
    declared.keys[name].enabled = False
    return Move(f"{name} is disabled", refused=name in draw.used)


def enable_key(draw: Draw, declared: Declared) -> Move | None:
    name = draw.one(name for name, one in declared.keys.items() if not one.enabled and not one.hidden)
    if name is None:
        return None
    declared.keys[name].enabled, declared.keys[name].leaving = True, False
    return Move(f"{name} is enabled")


def alias(draw: Draw, declared: Declared) -> Move | None:
    name, target = draw.one(("a1", "a2")), draw.one(["", *declared.usable()])
    assert name is not None
    if not target:
        return Move(f"alias {name} goes") if declared.aliases.pop(name, None) else None
    declared.aliases[name] = target
    return Move(f"alias {name} names {target}")


def grant(draw: Draw, declared: Declared) -> Move | None:
    name = draw.one(declared.usable())
    if name is None:
        return None
    declared.keys[name].grant = draw.chance.choice(((), *OPERATIONS))
    return Move(f"grant on {name}: {declared.keys[name].grant}")


def policy(draw: Draw, declared: Declared) -> Move | None:
    name = draw.one(declared.usable())
    if name is None:
        return None
    declared.keys[name].policy = draw.chance.randint(0, 3)
    return Move(f"policy of {name}: {declared.keys[name].policy}")


def table(draw: Draw, declared: Declared) -> Move | None:
    """A new one, or another key for one that is there."""
    name, root = draw.one(("o1", "o2")), draw.one([OWNED, *declared.usable(), *declared.usable()])
    assert name is not None
    assert root is not None
    if name in declared.tables and declared.tables[name].hidden:
        return None
    if name in declared.tables:
        declared.tables[name].root = root
    else:
        declared.tables[name] = Table(root, protected=draw.chance.random() < 0.5)
    return Move(f"table {name} under {root}")


def table_root(draw: Draw, declared: Declared) -> Move | None:
    name = draw.one(name for name, one in declared.tables.items() if not one.hidden)
    root = draw.one([OWNED, *declared.usable()])
    if name is None or root is None:
        return None
    declared.tables[name].root = root
    return Move(f"table {name} under {root}")


def remove_table(draw: Draw, declared: Declared) -> Move | None:
    name = draw.one(name for name, one in declared.tables.items() if not one.hidden)
    if name is None or not draw.alone:  # as for a snapshot
        return None
    if declared.tables[name].protected:
        declared.tables[name].hidden = True
        return Move(f"table {name} is no longer declared, and stays")
    del declared.tables[name]
    return Move(f"table {name} is dropped")


MOVES: tuple[Callable[[Draw, Declared], Move | None], ...] = (
    *(another_root, another_root, another_root, rotate_cluster, rotate_cluster, rotate_key, silent, resize),
    *(add_load, add_load, remove_load, change_file, new_cluster, new_cluster, remove_cluster, protect, protect),
    *(new_snapshot, new_snapshot, remove_snapshot, declare_again, declare_again),
    *(copying_on, copying_on, copying_off, new_copy_grant, remove_copy_grant),
    *(new_key, new_key, remove_key, remove_key, disable_key, enable_key, alias, grant, policy),
    *(table, table, remove_table),
)
