"""The policy of every key that a key service has."""

from __future__ import annotations

import json
from collections.abc import Sequence

from reconciler.access.caller import Caller
from reconciler.errors import AccessDeniedException
from reconciler.model.ports import Services
from reconciler.providers.keys import HoldsPolicies, PolicyDocument
from reconciler.providers.typed import caller, key_provider
from reconciler.resources.kind import Existing


def existing(provider: str, services: Services) -> Sequence[Existing]:
    """One policy a key, ordered by the key's id: a call for all of them, or one each where a key is closed to the
    caller, whose policy is then left out. The policy that the service gives to a key made without one belongs to its
    key."""
    keys, who = key_provider(services, provider), caller(services, provider)
    if not isinstance(keys, HoldsPolicies):
        return []
    default = _text(keys.default_key_policy())
    arns = {key.key_id: key.arn for key in keys.list_keys(who)}
    found = _policies(keys, who, list(arns.values()))
    return [
        Existing(
            name=key_id,
            attributes={"id": arn, "arn": arn},
            others=(arn,),
            belongs_to=arn if _text(found[arn]) == default else None,
        )
        for key_id, arn in arns.items()
        if arn in found
    ]


def _policies(keys: HoldsPolicies, who: Caller, arns: Sequence[str]) -> dict[str, PolicyDocument]:
    try:
        return keys.get_key_policies(who, arns)
    except AccessDeniedException:
        if len(arns) == 1:
            return {}
        return {arn: document for one in arns for arn, document in _policies(keys, who, [one]).items()}


def _text(document: PolicyDocument) -> str:
    return json.dumps(document, sort_keys=True)
