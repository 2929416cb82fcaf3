"""Delete vectors, tried with the right keys and with wrong ones: whoever could change one would have rows come back, or
go (RE3, I7)."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Final

from reconciler.envelope.data_key import DataKey
from reconciler.errors import DamagedStore
from reconciler.providers.proofs import DELETE_VECTORS, REFUSALS, Check, unprotected
from reconciler_warehouse.blocks import delete_vectors
from reconciler_warehouse.blocks.delete_vectors import VectorRow, open_vector
from reconciler_warehouse.blocks.key_tables import SegmentId
from reconciler_warehouse.keys.hierarchy import OpenDeks
from reconciler_warehouse.rows import SegmentRow, segment_now
from reconciler_warehouse.site import Site

_LOOKS: Final = 3  # one that a statement or a rotation replaces meanwhile is looked at again
_RESTORE: Final = "Nothing was changed. Restore the warehouse's folder from a backup, or the cluster from a snapshot."
_ENCRYPT: Final = "Find out who wrote it. Restore the warehouse's folder from a backup."


def vectors(  # noqa: PLR0917  # whose, and with what
    site: Site, kind: str, holder: str, name: str, origin: str, dek: str | None, deks: OpenDeks
) -> Iterator[Check]:
    """Every delete vector of a cluster or snapshot (``kind``). What held is counted together, what failed comes one by
    one. ``dek`` names the holder's key, None when it is plain."""
    with site.catalogue.read() as catalogue:
        uids = [] if catalogue is None else delete_vectors.segments_with(catalogue, kind, holder)
    held: Counter[str] = Counter()
    for uid in uids:
        for attempt in range(_LOOKS):
            with site.catalogue.read() as catalogue:
                found = None if catalogue is None else _both(catalogue, kind, holder, uid)
            if found is None:
                break  # gone with its segment, or joined with another
            counted: Counter[str] = Counter()
            failed = _tried(
                site, *found, f"the delete vector of segment {uid} of {kind} {name}", origin, dek, deks, counted
            )
            if failed is None or attempt == _LOOKS - 1:
                held.update(counted)
                if failed is not None:
                    yield failed
                break
    yield from (Check(what=what, count=count) for what, count in held.items())


def _both(catalogue: sqlite3.Connection, kind: str, holder: str, uid: str) -> tuple[SegmentRow, VectorRow] | None:
    segment = segment_now(catalogue, kind, holder, uid)
    vector = delete_vectors.vector_of(catalogue, kind, holder, uid)
    return None if segment is None or vector is None else (segment, vector)


def _tried(  # noqa: PLR0917  # one vector, and with what
    site: Site,
    segment: SegmentRow,
    row: VectorRow,
    where: str,
    origin: str,
    dek: str | None,
    deks: OpenDeks,
    counted: Counter[str],
) -> Check | None:
    if dek is not None and row.dek is None:
        return unprotected(DELETE_VECTORS, f"{where} is stored in clear", _ENCRYPT)
    identity = segment.identity(origin)
    try:
        row.opened(identity, deks, segment.rows)
    except DamagedStore as error:
        return unprotected(DELETE_VECTORS, f"{where}: {error.summary}", error.suggestion or _RESTORE)
    counted[DELETE_VECTORS] += 1
    if row.dek is None:
        return None
    elsewhere = SegmentId(origin=identity.origin, table=identity.table, segment=site.uid())
    with DataKey.generate(site.random) as stranger:
        right = deks[row.dek]
        for wrong, whose, key in (
            (row, identity, stranger),
            (row, elsewhere, right),
            (replace(row, version=row.version + 1), identity, right),
        ):
            with suppress(DamagedStore):
                open_vector(wrong, whose, key=key, rows=segment.rows)
                return unprotected(REFUSALS, f"{where} opens where it must not", _RESTORE)
            counted[REFUSALS] += 1
    return None
