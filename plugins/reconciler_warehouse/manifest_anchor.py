"""What to keep in a second place to see a rollback (I16)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestAnchor:
    """A cluster's manifest: a version that only rises, and its tag in hex."""

    cluster_uid: str
    version: int
    tag: str
