"""Every grant that a key service has issued."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

from reconciler.errors import AccessDeniedException, NotFoundException, ReconcilerError
from reconciler.model.ports import LocatesProviders, Services
from reconciler.providers.inspection import HoldsGrants
from reconciler.providers.keys import GrantDescription, IssuesGrants, KeyProvider
from reconciler.providers.plugin import TABLES, WAREHOUSE
from reconciler.providers.typed import caller, key_provider
from reconciler.resources.kind import Existing

SERVICE: Final = ".amazonaws.com"
_NAMING: Final = ("aws:redshift:snapshotcopygrant", "aws:redshift:arn")
_TABLE: Final = ("aws:cassandra:keyspaceName", "aws:cassandra:tableName", "aws:cassandra:subscriberId")


def existing(provider: str, services: Services) -> Sequence[Existing]:
    """All grants, by key and id: one call for the keys, one for each of them. Those on a key that is closed to the
    caller are left out. A grant that a service holds belongs to what the service made it for, unless the declared
    Providers of that service say that they work from no such grant: then it is nobody's."""
    keys, who = key_provider(services, provider), caller(services, provider)
    if not isinstance(keys, IssuesGrants):
        return []
    held = _held(services, keys)
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
                belongs_to=_owner(grant, held),
            )
            for grant in grants
        ]
    return found


def _owner(grant: GrantDescription, held: Mapping[str, Mapping[str, str]]) -> str | None:
    owner = made_for(grant)
    if owner is None:  # a context without names, such as that of an escrow key: whoever works from it says for what
        told = (known.get(grant.grant_id) for known in held.values()) if is_of_a_service(grant) else ()
        return next((arn for arn in told if arn), None)
    known = held.get(TABLES if ":cassandra:" in owner else WAREHOUSE)
    return owner if known is None or grant.grant_id in known else None


def _held(services: Services, keys: KeyProvider) -> dict[str, dict[str, str]]:
    """By protocol: ids of the grants that the data planes beside the key service work from, each with the ARN of what
    for. A protocol is left out where none is declared, or one of them does not tell."""
    found: dict[str, dict[str, str]] = {}
    if not isinstance(services, LocatesProviders):
        return found
    for protocol in (WAREHOUSE, TABLES):
        planes = [services.provider(name) for name in services.providers_in(protocol, keys.account, keys.region)]
        telling = [plane for plane in planes if isinstance(plane, HoldsGrants)]
        if planes and len(telling) == len(planes):
            with suppress(ReconcilerError):
                found[protocol] = {grant.grant_id: grant.arn for plane in telling for grant in plane.held_grants()}
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
