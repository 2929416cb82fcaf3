"""Whether an interrupted step put its policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.access.equality import policies_equal
from reconciler.model.ports import Services
from reconciler.model.recorded import Intent
from reconciler.providers.typed import caller, holding_identity_policies
from reconciler.resources.identity_policy.held import Held


def recover(intent: Intent, services: Services) -> Mapping[str, Any] | None:
    """The attributes of the policy, if the principal holds it: should the manifest be gone by now, it is not to stay
    with nobody who knows of it."""
    if intent.step != "put-identity-policy":
        return None
    held = Held(str(intent.facts["principal"]), str(intent.facts["name"]))
    policies = holding_identity_policies(services, intent.provider)
    for one in policies.list_identity_policies(caller(services, intent.provider), [held.principal]):
        if one.name == held.name and policies_equal(one.document, intent.facts["document"]):
            return {**held.attributes, "replaces": intent.facts.get("replaces")}
    return None
