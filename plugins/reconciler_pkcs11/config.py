"""What ``config`` of a Provider with ``plugin: pkcs11`` may say."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Pkcs11Config(BaseModel):
    """``module`` is the name of the PKCS#11 module as the operator's file lists it (``modules:``), for partitions
    without an address of their own; no manifest chooses what code is loaded (CONTRACT 2)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    module: str | None = Field(default=None, min_length=1, max_length=63)
