"""The manifest that would declare an identity policy as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.resources.field_types import canonical_tree
from reconciler.resources.identity_policy.observe import IdentityPolicyObservation
from reconciler.resources.kind import ManifestInput


def manifest(given: ManifestInput[IdentityPolicyObservation]) -> Mapping[str, Any]:
    """The fields."""
    return {"principal": given.observed.principal, "document": canonical_tree(given.observed.document)}
