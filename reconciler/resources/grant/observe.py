"""The grants that recorded ones became."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reconciler.errors import NotFoundException
from reconciler.model.address import Address
from reconciler.model.ports import Services
from reconciler.providers.keys import GrantDescription
from reconciler.providers.typed import caller, issuing_grants
from reconciler.resources.kind import Observation, Target
from reconciler.resources.sweep import by_provider


class GrantObservation(Observation):
    """A grant as it is now. Operations are sorted: their order means nothing."""

    key_arn: str
    grantee_principal: str
    retiring_principal: str | None
    operations: tuple[str, ...]
    context_subset: dict[str, str] | None
    context_equals: dict[str, str] | None


def observe(targets: Sequence[Target], services: Services) -> Mapping[Address, GrantObservation | None]:
    """One call a key, not one a grant (DESIGN 4)."""
    seen: dict[Address, GrantObservation | None] = {}
    for provider, group in by_provider(targets):
        grants, who = issuing_grants(services, provider), caller(services, provider)
        by_id: dict[str, GrantDescription] = {}
        for key_arn in sorted({str(target.attributes["key_arn"]) for target in group}):
            try:
                listed = grants.list_grants(who, key_arn)
            except NotFoundException:
                continue  # the key is gone, and its grants with it
            by_id.update({grant.grant_id: grant for grant in listed})
        for target in group:
            grant = by_id.get(str(target.attributes["id"]))
            seen[target.address] = None if grant is None else observation_of(grant)
    return seen


def observation_of(grant: GrantDescription) -> GrantObservation:
    """A description as an observation."""
    return GrantObservation(
        key_arn=grant.key_arn,
        grantee_principal=grant.grantee_principal,
        retiring_principal=grant.retiring_principal,
        operations=tuple(sorted(grant.operations)),
        context_subset=None if grant.context_subset is None else dict(grant.context_subset),
        context_equals=None if grant.context_equals is None else dict(grant.context_equals),
    )
