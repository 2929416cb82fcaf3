#!/usr/bin/env python3
"""Writes the archive of a whole small home that every later version has to open (``test_golden_home.py``).

    python -m reconciler_warehouse.tests.golden.make_home

One archive a format of the catalogue or key ring, made once, by the version that brought the format; an archive of a
format that was released is never made again.
"""

from __future__ import annotations

import gzip
import tarfile
import tempfile
from pathlib import Path

from reconciler_warehouse import catalogue, keyring
from reconciler_warehouse.tests.statement_worlds import run
from reconciler_warehouse.tests.worlds import NONE, World, silent

FOLDER = Path(__file__).parent
NAME = f"home-{catalogue.FORMAT}-{keyring.FORMAT}.tar.gz"
ROWS = 300


def fill(world: World) -> None:
    """Two clusters of the same rows, one of them encrypted and rotated: a loaded file, rows that are inline, deleted
    and changed ones; of each a snapshot from before the deletes."""
    csv = "id,tail,delay\n" + "".join(f"{number},N{number:04d},{number % 7}.5\n" for number in range(ROWS))
    for name, root in (("sales", world.key("root")), ("open", NONE)):
        world.create(root, name, call=f"create {name}")
        world.load(world.file("rows.csv", csv), name=name)
        run(world, "INSERT INTO flights (id, tail, delay) VALUES (1000, 'inline', 1.5), (1001, NULL, 2.5)", name=name)
        world.warehouse().create_snapshot(world.caller, name, f"{name}-before", retention_days=None, token=name)
        run(world, "DELETE FROM flights WHERE id < 290", name=name)
        run(world, "UPDATE flights SET delay = -1 WHERE id = 1001", name=name)
    world.warehouse().rotate_encryption_key(world.caller, "sales", progress=silent, token="rotate")


def main() -> None:
    """Make the archive."""
    with tempfile.TemporaryDirectory() as folder:
        home, files = Path(folder) / "home", Path(folder) / "files"
        files.mkdir()
        world = World(home=home, files=files)
        fill(world)
        world.reopen()
        with gzip.GzipFile(FOLDER / NAME, "wb", mtime=0) as packed, tarfile.open(fileobj=packed, mode="w") as archive:
            archive.add(home, "home", filter=_without_owner)


def _without_owner(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = ""
    return entry


if __name__ == "__main__":
    main()
