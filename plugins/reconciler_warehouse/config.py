"""What ``config`` of a Provider with ``plugin: warehouse`` may say."""

from __future__ import annotations

import os

from pydantic import BaseModel, ConfigDict, Field

from reconciler_warehouse.distributed.settings import DistributedConfig
from reconciler_warehouse.segment_store.object_config import ObjectStoreConfig


class MigrationConfig(BaseModel):
    """How much of the machine a change of encryption takes: ``workers`` threads a process (absent: one a node of the
    cluster, RE12, and no more than half of the processors: the others are for statements), ``bytesPerSecond`` of all of
    them together (absent: no limit).
    ``distributed``: workers of a scheduler do it instead."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    workers: int | None = Field(default=None, ge=1, le=64)
    bytes_per_second: int | None = Field(default=None, alias="bytesPerSecond", ge=1 << 20)
    distributed: DistributedConfig | None = None

    def workers_of(self, nodes: int) -> int:
        """Threads for a cluster of so many nodes."""
        return self.workers or max(1, min(nodes, (os.cpu_count() or 1) // 2))


class WarehouseConfig(BaseModel):
    """``keyService`` names the key Provider, ``hsm`` the one of HSM partitions; absent: the one of the same account and
    Region (DESIGN 2). ``segments`` names an object store for what tables hold; absent: files in the home.
    ``migration``: how fast encryption is changed."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    key_service: str | None = Field(default=None, alias="keyService")
    hsm: str | None = None
    segments: ObjectStoreConfig | None = None
    migration: MigrationConfig = MigrationConfig()
