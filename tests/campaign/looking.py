"""What is there, read through the providers, and underneath them where no call shows it: the rows of a snapshot."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import pyarrow as pa  # type: ignore[import-untyped]  # pyarrow ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # pyarrow ships no types

from reconciler.access.caller import Caller
from reconciler.commands.context import Globals
from reconciler.commands.session import Session
from reconciler.envelope.data_key import DataKey
from reconciler.providers.keys import IssuesGrants, KeyProvider
from reconciler.providers.tables import TableProvider
from reconciler.providers.typed import caller
from reconciler_softkms import SoftKms
from reconciler_warehouse import Warehouse, manifest
from reconciler_warehouse.blocks.key_tables import open_table
from reconciler_warehouse.blocks.segment_files import StoredSegment
from reconciler_warehouse.keyring import cek_of, ceks
from reconciler_warehouse.keys.hierarchy import opened
from reconciler_warehouse.rows import (
    SegmentRow,
    cluster_where,
    segments_of_cluster,
    segments_of_snapshot,
    snapshot_where,
)
from reconciler_warehouse.site import Site
from tests.campaign.declared import HOLDERS, KEY_SERVICES, Row, Rows

CANARY = re.compile(rb"CANARY-[0-9a-f]{12}")


@dataclass
class Looking:
    """One look at a project's world. The providers are opened anew, as a new process does."""

    session: Session
    folder: Path

    @property
    def who(self) -> Caller:
        return caller(self.session, "kms")

    def warehouse(self, region: str) -> Warehouse:
        return cast(Warehouse, self.session.provider(HOLDERS[region]))

    def site(self, region: str) -> Site:
        return self.warehouse(region)._site

    @cached_property
    def tables(self) -> TableProvider:
        return cast(TableProvider, self.session.provider("tb"))

    def keys(self, region: str) -> KeyProvider:
        return cast(KeyProvider, self.session.provider(KEY_SERVICES[region]))

    def capable(self, region: str) -> SoftKms:
        """The key service, with all that it can do beside keys."""
        return cast(SoftKms, self.session.provider(KEY_SERVICES[region]))

    def grants(self, region: str, key: str) -> set[str]:
        """Ids of the grants that services hold on a key."""
        service = cast(IssuesGrants, self.keys(region))
        return {
            one.grant_id
            for one in service.list_grants(self.who, key)
            if one.grantee_principal.endswith(".amazonaws.com")
        }

    def cluster_rows(self, region: str, cluster: str, table: str) -> list[Row]:
        found = self.warehouse(region).select(self.who, cluster, f'SELECT id, tail, delay FROM "{table}"')  # noqa: S608  # a test's own name
        return sorted(found.rows)

    def snapshot_rows(self, region: str, name: str) -> Rows:
        """Every row of a snapshot or copy, its manifest and all of its blocks checked."""
        site = self.site(region)
        with site.catalogue.read() as catalogue:
            assert catalogue is not None
            snapshot = snapshot_where(catalogue, "name = ?", name)
            assert snapshot is not None
            names = dict(catalogue.execute("SELECT uid, name FROM snapshot_table WHERE snapshot = ?", (snapshot.uid,)))
            segments = segments_of_snapshot(catalogue, snapshot.uid)
        with opened(site, snapshot.uid, f"Snapshot {name}") as deks:
            with site.catalogue.read() as catalogue:
                assert catalogue is not None
                manifest.check(catalogue, "snapshot", snapshot.uid, name, deks)
            return _rows(site, segments, snapshot.origin, names, deks)

    def stored_rows(self, region: str, name: str) -> Rows:
        """Every row of a cluster, block for block and without a query engine."""
        site = self.site(region)
        with site.catalogue.read() as catalogue:
            assert catalogue is not None
            cluster = cluster_where(catalogue, "name = ?", name)
            assert cluster is not None
            names = dict(catalogue.execute("SELECT uid, name FROM data_table WHERE cluster = ?", (cluster.uid,)))
            segments = segments_of_cluster(catalogue, cluster.uid)
        with opened(site, cluster.uid, f"Cluster {name}") as deks:
            return _rows(site, segments, cluster.uid, names, deks)

    def key_of(self, region: str, uid: str) -> str | None:
        """The root key's ARN of a cluster or snapshot, from the key ring itself."""
        with self.site(region).keyring.read() as ring:
            cek = None if ring is None else cek_of(ring, uid)
        return None if cek is None else cek.root_arn

    def grants_in_use(self, region: str) -> set[str]:
        """Ids of the grants that a wrapped key or a copy grant needs."""
        with self.site(region).keyring.read() as ring:
            if ring is None:
                return set()
            needed = {cek.grant_id for cek in ceks(ring).values()}
            needed |= {row[0] for row in ring.execute("SELECT grant_id FROM copy_grant")}
        return {grant for grant in needed if grant is not None}

    def rotations(self, region: str, cluster: str) -> int:
        """How many rotations of a cluster (by uid) were begun."""
        with self.site(region).catalogue.read() as catalogue:
            assert catalogue is not None
            (count,) = catalogue.execute(
                "SELECT count(*) FROM operation WHERE cluster = ? AND verb = 'rotate'", (cluster,)
            ).fetchone()
        return int(count)

    def materials(self, region: str, key: str) -> int:
        """How many materials a key has."""
        (path,) = (self.folder / ".reconciler").glob(f"softkms/*/{region}/keys.db")
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as store:
            (count,) = store.execute("SELECT count(*) FROM materials WHERE key_id = ?", (key,)).fetchone()
        return int(count)

    def stray_files(self, region: str) -> set[str]:
        """Files in data/ that nothing refers to."""
        site = self.site(region)
        present = {path.name for path in site.data.iterdir()} if site.data.exists() else set()
        with site.catalogue.read() as catalogue:
            known: set[str] = set()
            if catalogue is not None:
                rows = catalogue.execute("SELECT file FROM segment UNION SELECT file FROM snapshot_segment")
                known = {file for (file,) in rows}
        return present - known

    def canaries(self) -> set[str]:
        """Every canary that can be read on disk, in any file of the home."""
        found: set[bytes] = set()
        for path in (self.folder / ".reconciler").rglob("*"):
            if path.is_file():
                found.update(CANARY.findall(path.read_bytes()))
        return {one.decode() for one in found}

    def partition(self, table: str, number: int) -> list[dict[str, Any]]:
        return self.tables.get_rows(self.who, "shop", table, {"id": number})


def _rows(
    site: Site, segments: Iterable[SegmentRow], origin: str, names: Mapping[str, str], deks: Mapping[str, DataKey]
) -> Rows:
    found: Rows = {table: [] for table in names.values()}
    for one in segments:
        identity = one.identity(origin)
        table = open_table(one.body, identity, one.generation, dek=one.dek, key=deks.get(one.dek or ""))
        with closing(StoredSegment(site.segments, one.file, table, identity.blocks())) as stored:
            stored.check()
            content = memoryview(bytearray(table.size))
            for index in range(table.blocks):
                start = index * table.block_bytes
                stored.block_into(index, content[start : start + stored.length(index)])
        rows = pq.read_table(pa.BufferReader(bytes(content))).to_pylist()
        found[names[one.table]] += [(row["id"], row["tail"], row["delay"]) for row in rows]
    return {table: sorted(rows) for table, rows in found.items()}


@contextmanager
def looking(folder: Path) -> Iterator[Looking]:
    with Session(Globals(directory=str(folder))) as session:
        yield Looking(session, folder)
