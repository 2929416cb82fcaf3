"""Every grant that a key service has issued."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from reconciler.errors import AccessDeniedException, NotFoundException
from reconciler.model.ports import Services
from reconciler.providers.keys import GrantDescription, IssuesGrants
from reconciler.providers.typed import caller, key_provider
from reconciler.resources.kind import Existing

SERVICE: Final = ".amazonaws.com"
_NAMING: Final = ("aws:redshift:snapshotcopygrant", "aws:redshift:arn")
_TABLE: Final = ("aws:cassandra:keyspaceName", "aws:cassandra:tableName", "aws:cassandra:subscriberId")


def existing(provider: str, services: Services) -> Sequence[Existing]:
    """All grants, by key and id: one call for the keys, one for each of them. Those on a key that is closed to the
    caller are left out. A grant that a service holds belongs to what the service made it for."""
    keys, who = key_provider(services, provider), caller(services, provider)
    if not isinstance(keys, IssuesGrants):
        return []
    found: list[Existing] = []
    for key in keys.list_keys(who):
        try:
            grants = keys.list_grants(who, key.arn)
        except (AccessDeniedException, NotFoundException):
            continue
        found += [
            Existing(
                name=grant.name or grant.grant_id,
                attributes={"id": grant.grant_id, "key_arn": grant.key_arn},
                belongs_to=made_for(grant),
            )
            for grant in grants
        ]
    return found


def is_of_a_service(grant: GrantDescription) -> bool:
    """Whether a service holds it, not a person or a role."""
    return grant.grantee_principal.endswith(SERVICE)


def made_for(grant: GrantDescription) -> str | None:
    """ARN of what a service made the grant for, as its encryption context names it (RE5, SC2, KS6); None for a grant
    that is nobody's but its maker's."""
    if not is_of_a_service(grant):
        return None
    context = grant.context_equals or grant.context_subset or {}
    for name in _NAMING:
        if name in context:
            return context[name]
    if all(name in context for name in _TABLE):
        keyspace, table, account = (context[name] for name in _TABLE)
        region = grant.key_arn.split(":")[3]
        return f"arn:aws:cassandra:{region}:{account}:/keyspace/{keyspace}/table/{table}"
    return None
