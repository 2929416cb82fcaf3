"""Every copying of snapshots to another Region that a warehouse has switched on."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.model.ports import LocatesProviders, Services
from reconciler.providers.plugin import WAREHOUSE
from reconciler.providers.typed import caller, warehouse_provider
from reconciler.resources.kind import Existing
from reconciler.resources.snapshot_copy.steps import copied_by_now, copying_attributes


def existing(provider: str, services: Services) -> Sequence[Existing]:
    """One for each cluster that copies, by the cluster's name; a call for the clusters, two for each that copies. Left
    out where no Provider is declared for the destination, or several are: what would be recorded of it names one."""
    warehouse, found = warehouse_provider(services, provider), []
    for cluster in warehouse.describe_clusters(caller(services, provider)):
        if cluster.copy is None or not isinstance(services, LocatesProviders):
            continue
        there = services.providers_in(WAREHOUSE, warehouse.account, cluster.copy.region)
        if len(there) != 1:
            continue
        copied = copied_by_now(services, provider, there[0], cluster.uid, {})
        attributes = {**copying_attributes(cluster, there[0], cluster.copy), "copied": copied}
        found.append(Existing(name=cluster.name, attributes=attributes, others=(cluster.arn,)))
    return found
