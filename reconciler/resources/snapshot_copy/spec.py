"""What a SnapshotCopy manifest says: a cluster's snapshots are copied to another Region (SC2)."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, ClassVar

from reconciler.resources.field_types import ClusterRef, Duration, ProviderRef, SnapshotCopyGrantRef
from reconciler.resources.spec import Spec


class SnapshotCopySpec(Spec):
    """``to`` is a warehouse Provider in another Region, ``grant`` a SnapshotCopyGrant there."""

    one_per: ClassVar[str | None] = "cluster"

    cluster: ClusterRef
    to: ProviderRef
    grant: SnapshotCopyGrantRef | None = None
    retention: Annotated[timedelta, Duration("1d", "35d", whole_days=True)] = timedelta(days=7)
