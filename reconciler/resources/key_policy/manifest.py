"""The manifest that would declare a key's policy as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.resources.declared_again import reference
from reconciler.resources.field_types import canonical_tree
from reconciler.resources.key_policy.observe import KeyPolicyObservation
from reconciler.resources.kind import ManifestInput


def manifest(given: ManifestInput[KeyPolicyObservation]) -> Mapping[str, Any]:
    """The fields."""
    arn = str(given.attributes["arn"])
    return {"key": reference(given, "Key", arn), "document": canonical_tree(given.observed.document)}
