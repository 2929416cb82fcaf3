"""What a Snapshot manifest says: a manual snapshot of a cluster (SC1)."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, ClassVar

from pydantic import field_validator

from reconciler.resources.field_types import Boolean, ClusterRef, Duration, refuse
from reconciler.resources.spec import Spec


class SnapshotSpec(Spec):
    """``retention`` None: kept until its manifest goes."""

    name_pattern: ClassVar[str] = r"[a-z]([a-z0-9-]{0,253}[a-z0-9])?"
    name_form: ClassVar[str] = "1 to 255 small letters, digits and inner hyphens, a letter first"

    unobserved: ClassVar[tuple[str, ...]] = ("manual",)

    cluster: ClusterRef
    manual: Boolean = True
    retention: Annotated[timedelta, Duration("1d", "3653d", whole_days=True)] | None = None

    @field_validator("manual")
    @classmethod
    def _only_manual(cls, value: bool) -> bool:
        if not value:
            raise refuse("must be true: automatic snapshots are the cluster's own, and no manifest declares one")
        return value
