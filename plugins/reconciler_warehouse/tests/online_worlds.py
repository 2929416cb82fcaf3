"""A cluster that can be encrypted, decrypted and encrypted again, and what to look at in it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn
from unittest.mock import patch

import pytest

from reconciler.providers.data import ClusterDescription, ClusterRequest, Root
from reconciler_warehouse.config import MigrationConfig
from reconciler_warehouse.online import ending, workers
from reconciler_warehouse.rows import segments_of_cluster
from reconciler_warehouse.tests.statement_worlds import site_of
from reconciler_warehouse.tests.worlds import NONE, OWNED, World, silent

FILES = 3
COUNT = "SELECT count(*), coalesce(sum(id), 0) FROM flights"
CANARIES = (b"CANARY-TAIL", b"canary_column")


def described(world: World) -> ClusterDescription:
    (found,) = world.warehouse().describe_clusters(world.caller, ["sales"])
    return found


def no_file(name: str) -> NoReturn:
    pytest.fail(f"no statement here names a file, but {name} was asked for")


def run(world: World, statement: str, token: str = "") -> Any:
    return world.warehouse().execute(
        world.caller,
        "sales",
        statement,
        open_file=no_file,
        token=token or hashlib.sha256(statement.encode()).hexdigest(),
    )


def filled(world: World, root: Root, *, node_type: str = "ra3.large", files: int = FILES) -> None:
    """A cluster with a few segments in files, one in the catalogue, and deleted rows in two."""
    request = ClusterRequest(name="sales", node_type=node_type, nodes=2, database="dev", root=root)
    world.warehouse().create_cluster(world.caller, request, token="create")
    for number in range(files):
        rows = "".join(f"{number * 100 + row},CANARY-TAIL-{number}-{row}\n" for row in range(100))
        world.load(world.file(f"{number}.csv", f"id,canary_column\n{rows}"))
    run(world, "INSERT INTO flights VALUES (5000, 'CANARY-TAIL-inline')")
    run(world, "DELETE FROM flights WHERE id IN (5, 105, 106)")


def insert() -> str:
    """One more row, which adds nothing to the sum."""
    return "INSERT INTO flights VALUES (0, 'CANARY-TAIL-meanwhile')"


TOTAL = FILES * 100 + 1 - 3
SUM = sum(range(FILES * 100)) + 5000 - 5 - 105 - 106


def change(world: World, root: Root, token: str = "change", progress: Any = silent) -> None:  # noqa: S107  # no secret
    world.warehouse().modify_encryption(world.caller, "sales", root, progress=progress, token=token)


def re_encrypt(world: World) -> None:
    world.warehouse().re_encrypt(world.caller, "sales", progress=silent, token="again")


def key_tables(world: World) -> dict[str, tuple[str | None, bytes]]:
    site = site_of(world)
    with site.catalogue.read() as catalogue:
        assert catalogue is not None
        return {one.uid: (one.dek, one.body) for one in segments_of_cluster(catalogue, described(world).uid)}


def plaintext_in(folder: Path) -> list[str]:
    return [
        str(path)
        for path in folder.rglob("*")
        if path.is_file() and any(canary in path.read_bytes() for canary in CANARIES)
    ]


CHANGES: dict[str, tuple[Root, Callable[[World], None]]] = {
    "encrypt": (NONE, lambda world: change(world, OWNED)),
    "decrypt": (OWNED, lambda world: change(world, NONE)),
    "re-encrypt": (OWNED, re_encrypt),
}


@contextmanager
def one_by_one() -> Iterator[None]:
    """One worker, and a commit for each segment, so that much can happen in between."""
    with patch.object(workers, "MOST", 1), patch.object(MigrationConfig, "workers_of", lambda self, nodes: 1):
        yield


@contextmanager
def short_patience() -> Iterator[None]:
    """Nobody waits for a reader for long."""
    with patch.object(ending, "PATIENCE", timedelta(seconds=1)):
        yield
