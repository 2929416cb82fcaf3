"""What ``config`` of a Provider with ``plugin: warehouse`` may say."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from reconciler_warehouse.segment_store.object_config import ObjectStoreConfig


class WarehouseConfig(BaseModel):
    """``keyService`` names the key Provider, ``hsm`` the one of HSM partitions; absent: the one of the same account and
    Region (DESIGN 2). ``segments`` names an object store for what tables hold; absent: files in the home."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    key_service: str | None = Field(default=None, alias="keyService")
    hsm: str | None = None
    segments: ObjectStoreConfig | None = None
