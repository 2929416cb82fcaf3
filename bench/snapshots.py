"""A snapshot of many segments, beside hard links to as many files: python bench/snapshots.py [SEGMENTS …].

The whole call of the product, from the key service's answer to the description of what was taken, against nothing but
``os.link`` of files of the same count on the same disk and one fsync of their folder. Each segment has a key table of
256 blocks, sealed under the cluster's key; there is no data in the files, which neither side reads. Also deleting one
and restoring one, which have no peer.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from warehouse_rounds import at_most, interleaved
from warehouse_world import CALLER, Home

from reconciler.providers.data import ClusterRequest
from reconciler_warehouse import manifest
from reconciler_warehouse.blocks.key_tables import BLOCK_BYTES, KeyTable, SegmentId, seal_table
from reconciler_warehouse.keys.hierarchy import opened
from reconciler_warehouse.site import Site

BLOCKS = 256
AIM = 0.1


def main(segments: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder, Home(Path(folder)) as home:
        key = home.key()
        request = ClusterRequest(name="sales", node_type="ra3.large", nodes=2, database="dev", root=key)
        home.warehouse.create_cluster(CALLER, request, token="create")
        names = fill(home.warehouse._site, segments)
        files = Path(folder) / "files"
        files.mkdir()
        for name in names:
            (files / name).write_bytes(b"")
        links = Linking(files, Path(folder) / "links", names)
        taken = Taking(home)
        best = interleaved({"links": links, "snapshot": taken}, rounds)
        at_most(
            *(f"snapshot of {segments} segments / hard links", best["snapshot"].wall, best["links"].wall, AIM),
            unit="wall",
        )
        at_most("the same in CPU", best["snapshot"].cpu, best["links"].cpu, AIM)
        alone("restored to a new cluster", lambda: restore(home, request, "s1"))
        alone("deleted, with others of the same segments", lambda: home.warehouse.delete_snapshot(CALLER, "s2"))


class Linking:
    """Hard links to every file, in a new folder each time."""

    def __init__(self, files: Path, links: Path, names: list[str]) -> None:
        self._files, self._links, self._names = files, links, names
        self._count = 0
        links.mkdir()

    def __call__(self) -> None:
        self._count += 1
        folder = self._links / str(self._count)
        folder.mkdir()
        source, target = str(self._files), str(folder)
        for name in self._names:
            os.link(f"{source}/{name}", f"{target}/{name}")
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        os.fsync(descriptor)
        os.close(descriptor)


class Taking:
    """A snapshot more, each time."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._count = 0

    def __call__(self) -> None:
        self._count += 1
        name = f"s{self._count}"
        self._home.warehouse.create_snapshot(CALLER, "sales", name, retention_days=None, token=name)


def fill(site: Site, segments: int) -> list[str]:
    """The cluster gets a table of so many segments, as the product commits them; the files' names."""
    with site.catalogue.write() as asked:
        cluster, dek = asked.execute("SELECT uid, dek FROM cluster").fetchone()
    uid, uids = site.uid(), [site.uid() for _ in range(segments)]
    with (
        opened(site, cluster, "Cluster sales") as deks,
        site.catalogue.write() as catalogue,
        manifest.changing(catalogue, cluster, deks) as change,
    ):
        catalogue.execute("INSERT INTO data_table (uid, cluster, name, backup) VALUES (?,?,'t',1)", (uid, cluster))
        change.touch(uid, range(segments))
        for ordinal, segment in enumerate(uids):
            identity = SegmentId(origin=cluster, table=uid, segment=segment)
            body = seal_table(_table(), identity, 1, dek=dek, key=deks[dek], random=site.random)
            key_table = catalogue.execute(
                "INSERT INTO key_table (segment, generation, dek, body) VALUES (?,1,?,?)", (segment, dek, body)
            ).lastrowid
            catalogue.execute(
                """INSERT INTO segment (uid, data_table, ordinal, file, key_table, rows, bytes, next_generation)
                   VALUES (?,?,?,?,?,1,?,2)""",
                (segment, uid, ordinal, f"{segment}.1", key_table, BLOCKS * BLOCK_BYTES),
            )
    return [f"{segment}.1" for segment in uids]


def restore(home: Home, request: ClusterRequest, snapshot: str) -> None:
    again = ClusterRequest(
        name="again", node_type=request.node_type, nodes=request.nodes, database=request.database, root=request.root
    )
    home.warehouse.restore_cluster(CALLER, again, snapshot, progress=lambda *_: None, token="restore")


def alone(what: str, work: Callable[[], object]) -> None:
    began = time.perf_counter()
    work()
    print(f"  {what:58s} {time.perf_counter() - began:.3f} s wall, once", flush=True)


def _table() -> KeyTable:
    return KeyTable(
        sealed=True,
        size=BLOCKS * BLOCK_BYTES,
        block_bytes=BLOCK_BYTES,
        rows=1,
        schema=b"schema",
        zones={},
        entries=os.urandom(48 * BLOCKS),
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("segments", nargs="*", type=int, default=[10_000])
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    for count in asked.segments:
        main(count, asked.rounds)
