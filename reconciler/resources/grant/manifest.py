"""The manifest that would declare a grant as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.resources.declared_again import reference, said
from reconciler.resources.grant.observe import GrantObservation
from reconciler.resources.kind import ManifestInput


def manifest(given: ManifestInput[GrantObservation]) -> Mapping[str, Any]:
    """The fields."""
    observed = given.observed
    constraints = said(
        {"encryptionContextSubset": observed.context_subset, "encryptionContextEquals": observed.context_equals}
    )
    return said(
        {
            "key": reference(given, "Key", observed.key_arn),
            "granteePrincipal": observed.grantee_principal,
            "retiringPrincipal": observed.retiring_principal,
            "operations": list(observed.operations),
            "constraints": constraints,
        },
        constraints={},
    )
