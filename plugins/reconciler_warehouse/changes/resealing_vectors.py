"""Delete vectors from one DEK of a cluster to another, or between sealed and plain, a few in a commit (RO1, RE2)."""

from __future__ import annotations

from typing import Final

from reconciler_warehouse import manifest, operations
from reconciler_warehouse.blocks import delete_vectors
from reconciler_warehouse.keys.hierarchy import OpenDeks
from reconciler_warehouse.rows import segment_now
from reconciler_warehouse.site import Site

BATCH: Final = 64  # in one commit: other writers wait for it


def all_of(site: Site, cluster: str, operation: str, dek: str | None, deks: OpenDeks) -> None:
    """Every vector of the cluster's segments that is not sealed under ``dek`` (None: is sealed at all), and those that
    others make meanwhile, for as long as the operation (its token) is open. DamagedStore."""
    after = _some(site, cluster, operation, dek=dek, deks=deks, after=0)
    while after is not None:
        site.checkpoint()
        after = _some(site, cluster, operation, dek=dek, deks=deks, after=after)


def _some(site: Site, cluster: str, operation: str, *, dek: str | None, deks: OpenDeks, after: int) -> int | None:
    """A batch; where to look from next: a hint, since the end is a look from the beginning that finds none (None)."""
    with site.catalogue.write() as catalogue:
        if not operations.is_open(catalogue, operation):
            return None
        found = delete_vectors.segments_not_under(catalogue, cluster, dek, BATCH, after=after)
        found = found or delete_vectors.segments_not_under(catalogue, cluster, dek, BATCH)
        if not found:
            return None
        with manifest.changing(catalogue, cluster, deks) as change:
            for _, uid in found:
                segment = segment_now(catalogue, "cluster", cluster, uid)
                if segment is not None:
                    change.touch(segment.table, [segment.ordinal])
                    identity = segment.identity(cluster)
                    delete_vectors.reseal(catalogue, uid, identity, dek=dek, deks=deks, random=site.random)
    return found[-1][0]
