"""A key that exists, read from its service and ready to be changed in memory (``access.simulation``)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from reconciler.access.caller import Caller
from reconciler.access.grants import Grant
from reconciler.access.parsing import parse_policy
from reconciler.access.policy import Policy
from reconciler.access.request import GrantTerms, KeyFacts
from reconciler.access.simulation import GrantsOfKey, Identities, SimulatedKey
from reconciler.providers.keys import (
    GrantDescription,
    IssuesGrants,
    KeyDescription,
    KeyProvider,
    KnowsIdentities,
    PolicyDocument,
)


def simulated_key(
    keys: KeyProvider,
    who: Caller,
    described: KeyDescription,
    document: PolicyDocument,
    *,
    aliases: Callable[[], Sequence[str]] = tuple,
) -> SimulatedKey:
    """The key as it is. Its grants are listed, as ``who``, when a decision first needs them."""
    facts = KeyFacts(
        arn=described.arn,
        account=described.account,
        region=described.region,
        key_spec=described.key_spec,
        key_usage=described.key_usage,
        origin=described.origin,
        multi_region=described.multi_region,
        multi_region_type=_multi_region_type(described),
        tags=described.tags,
    )

    def grants() -> GrantsOfKey:
        if not isinstance(keys, IssuesGrants):
            return GrantsOfKey()
        return GrantsOfKey(map(grant_of, keys.list_grants(who, described.arn)))

    return SimulatedKey(
        facts=facts,
        policy=parse_policy(plain(document)),
        identities=identities_of(keys),
        load_grants=grants,
        load_aliases=aliases,
    )


_WHATEVER_THE_ACCOUNT_SAYS: Final = parse_policy(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "kms:*", "Resource": "*"}]}, identity=True
)


def _multi_region_type(described: KeyDescription) -> str | None:
    if not described.multi_region:
        return None
    return "PRIMARY" if described.primary_arn in (None, described.arn) else "REPLICA"


def identities_of(keys: object) -> Identities:
    """The identity policies that a key service knows of each caller. One that cannot tell is taken to let everybody do
    what a key policy leaves to the account: a guard refuses what it knows, not what it cannot know."""
    if not isinstance(keys, KnowsIdentities):
        return lambda who: (_WHATEVER_THE_ACCOUNT_SAYS,)
    tells, known = keys, dict[str, tuple[Policy, ...]]()

    def held(who: Caller) -> Sequence[Policy]:
        if who.principal not in known:
            documents = tells.get_identity_policies(who.principal)
            known[who.principal] = tuple(map(identity_policy, documents))
        return known[who.principal]

    return held


def identity_policy(document: PolicyDocument) -> Policy:
    """An identity policy, ready to decide with: one object for one document, so that a change finds what it takes the
    place of."""
    return _identity_policy(json.dumps(plain(document), sort_keys=True))


@lru_cache(maxsize=4096)
def _identity_policy(text: str) -> Policy:
    return parse_policy(json.loads(text), identity=True)


def grant_of(listed: GrantDescription) -> Grant:
    """A listed grant as decisions take it."""
    return Grant(
        listed.grant_id,
        GrantTerms(
            grantee_principal=listed.grantee_principal,
            operations=tuple(listed.operations),
            retiring_principal=listed.retiring_principal,
            context_subset=listed.context_subset,
            context_equals=listed.context_equals,
            source_arn=listed.source_arn,
        ),
    )


def plain(value: Any) -> Any:
    """Frozen mappings and tuples of a manifest as a policy document has them."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(item) for item in value]
    return value
