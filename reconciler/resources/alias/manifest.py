"""The manifest that would declare an alias as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.resources.alias.observe import AliasObservation
from reconciler.resources.declared_again import reference
from reconciler.resources.kind import ManifestInput


def manifest(given: ManifestInput[AliasObservation]) -> Mapping[str, Any]:
    """The fields."""
    place, _, _ = given.observed.arn.partition(":alias/")
    arn = f"{place}:key/{given.observed.target_key_id}"
    return {"key": reference(given, "Key", given.observed.target_key_id, arn=arn)}
