"""What a grant is there for: its grantee can do with the key what the grant says (KM3)."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.model.ports import Services
from reconciler.resources.grant.observe import GrantObservation
from reconciler.resources.kind import Need, Target


def needs(target: Target, observed: GrantObservation, services: Services) -> Sequence[Need]:
    """All of its operations, under its constraint."""
    context = observed.context_subset if observed.context_equals is None else observed.context_equals
    return [
        Need(
            who=target.address,
            principal=observed.grantee_principal,
            key_arn=observed.key_arn,
            operations=observed.operations,
            context=context or {},
        )
    ]
