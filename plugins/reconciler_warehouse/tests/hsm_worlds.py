"""Worlds whose clusters are rooted in an HSM, and how they are looked at."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from reconciler.providers.data import Root
from reconciler_warehouse.tests.worlds import World, silent

COUNT = "SELECT count(*) FROM flights"
ALL = [(5000,)]


def loaded(world: World, root: Root) -> World:
    world.create(root)
    world.load(world.file("a.csv"))
    world.warehouse().create_snapshot(world.caller, "sales", "snap", retention_days=None, token="snap")
    return world


def modify(world: World, root: Root, call: str = "modify") -> Any:
    return world.warehouse().modify_encryption(world.caller, "sales", root, progress=silent, token=call)


def rotate(world: World, call: str = "rotate") -> Any:
    return world.warehouse().rotate_encryption_key(world.caller, "sales", progress=silent, token=call)


def described(world: World) -> Any:
    (found,) = world.warehouse().describe_clusters(world.caller, ["sales"])
    return found


def ring(world: World, statement: str) -> list[Any]:
    with closing(sqlite3.connect(f"file:{world.folder() / 'keyring.db'}?mode=ro", uri=True)) as store:
        return store.execute(statement).fetchall()


def arn(root: Root) -> str:
    assert root.partition is not None
    return root.partition


def asked(world: World, work: Callable[[], object]) -> list[str]:
    """What the token was asked meanwhile."""
    before = len(world.hsm().operations)
    work()
    return [call for call, _ in world.hsm().operations[before:]]


def fits(world: World) -> None:
    """Every key in a token is one that something is under, or is retired; nothing more, nothing less."""
    kept = {(key, where) for key, where in ring(world, "SELECT key_id, partition FROM cluster_key")}
    there = {
        (key, one.arn) for one in world.hsm().describe_partitions(world.caller) for key in world.hsm().objects(one.arn)
    }
    assert there == kept
    needed = set(ring(world, "SELECT material, root_arn FROM cek WHERE root_kind = 'hsm'"))
    retired = {(one.key_id, one.partition) for one in world.warehouse().retired_cluster_keys()}
    assert kept == needed | retired
    assert not needed & retired


class Looks:
    """A ``Witness`` that keeps what it is handed."""

    def __init__(self) -> None:
        self.keys = 0

    @property
    def is_full(self) -> bool:
        return True

    def progress(self, text: str, done: int | None = None, total: int | None = None) -> None: ...

    def opened(self, key: object) -> None:
        self.keys += 1

    def canary(self, value: bytes) -> None: ...

    def in_clear(self, path: Path) -> None: ...

    def other_keys(self, key_arn: str) -> list[str]:
        return []
