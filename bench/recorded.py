#!/usr/bin/env python3
"""A state in which the whole world of ``world.py`` was applied, without applying it.

usage: bench/recorded.py N FOLDER    (FOLDER as world.py left it; the home is FOLDER/.reconciler)

One group is applied for real, by the product, elsewhere; its rows are then told again for every group, with that
group's names and ids, and written through the product's own store. `plan --no-refresh --detailed-exitcode` ending with
0 proves that they are what an apply would have left. The objects themselves are not there: nothing can be refreshed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from whole_process import PRODUCT, environment
from world import GROUP, PROVIDERS, documents, write

from reconciler.host.clock import SystemClock, SystemRandom
from reconciler.host.os_fs import OsFs
from reconciler.model.address import Address
from reconciler.model.recorded import Recorded
from reconciler.state.initialise import initialise
from reconciler.state.seal import open_seal
from reconciler.state.sqlite_reader import open_reader
from reconciler.state.sqlite_store import SqliteState

HOME = ".reconciler"
_ROWS_AT_ONCE = 10_000


def record(count: int, folder: Path) -> None:
    """Make the home in ``folder`` with the state of an applied world of ``count`` resources."""
    clock, random = SystemClock(), SystemRandom()
    home = folder / HOME
    state_path = home / "state.db"
    initialise(OsFs(), random, clock, home=home, state_path=state_path)
    rows = list(_rows(count, _applied_group()))
    state = SqliteState(state_path, seal=open_seal(OsFs(), home), clock=clock, random=random)
    try:
        state.acquire("bench", timeout=0)
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            state.settle(rows[start : start + _ROWS_AT_ONCE])
        state.release()
    finally:
        state.close()


def project_file(folder: Path) -> None:
    """Keep the home inside the folder; the environment ``empty`` is that of somebody who has applied nothing yet."""
    (folder / "reconciler.yaml").write_text(
        f"""home: {HOME}
state: {{path: {HOME}/state.db}}
environments:
  empty:
    home: none
    state: {{path: none/state.db}}
"""
    )


def _applied_group() -> dict[str, Recorded]:
    """The rows of the first group, by address, as a real apply leaves them."""
    with tempfile.TemporaryDirectory(prefix="bench-group-") as name:
        folder = Path(name)
        write(GROUP + len(PROVIDERS), folder)
        project_file(folder)
        subprocess.run(
            [*PRODUCT, "apply", "--auto-approve"], cwd=folder, env=environment(), check=True, capture_output=True
        )
        reader = open_reader(folder / HOME / "state.db", open_seal(OsFs(), folder / HOME))
        try:
            return {str(row.address): row for row in reader.all()}
        finally:
            reader.close()


def _rows(count: int, applied: dict[str, Recorded]) -> Iterator[Recorded]:
    key_id = str(applied["Key/key-000000"].identity)
    for index, document in enumerate(documents(count)[len(PROVIDERS) :]):
        group = index // GROUP
        address = f"{document['kind']}/{document['metadata']['name']}"
        first = applied[address.replace(f"{group:06d}", f"{0:06d}")]
        yield _told_again(first, _renamings(group, key_id, str(first.identity), address))


def _renamings(group: int, key_id: str, identity: str, address: str) -> Sequence[tuple[str, str]]:
    """What is called otherwise in that group (world.py), the ids of its key and of the object itself."""
    own = hashlib.sha256(address.encode()).hexdigest()
    return [
        (key_id, str(uuid.uuid5(uuid.NAMESPACE_OID, f"key {group}"))),
        *([(identity, own)] if len(identity) == len(own) and identity.isalnum() else []),
        (f"{0:06d}", f"{group:06d}"),
        ("Key of group 0", f"Key of group {group}"),
        ("Use by team 0", f"Use by team {group % 50}"),
        ("team-0", f"team-{group % 50}"),
        ('"cost-centre":"0000"', f'"cost-centre":"{group % 97:04d}"'),
        ("role/service-0-", f"role/service-{group % 97}-"),
        ('"app-0"', f'"app-{group % 11}"'),
    ]


def _told_again(row: Recorded, renamings: Sequence[tuple[str, str]]) -> Recorded:
    def renamed(text: str | None) -> str:
        told = text or ""
        for before, after in renamings:
            told = told.replace(before, after)
        return told

    spec = renamed(row.spec)
    return replace(
        row,
        address=Address(renamed(row.address)),
        uid=hashlib.sha256(renamed(row.address).encode()).hexdigest()[:32],
        attributes=json.loads(renamed(json.dumps(row.attributes))),
        spec=spec,
        digest=hashlib.sha256(spec.encode()).hexdigest(),
        observed=renamed(row.observed),
        links=renamed(row.links),
        references=tuple(Address(renamed(address)) for address in row.references),
    )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int)
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    os.umask(0o077)
    project_file(given.folder)
    record(given.count, given.folder)


if __name__ == "__main__":
    main()
