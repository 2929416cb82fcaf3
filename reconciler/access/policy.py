"""A parsed policy: statements that say whether they speak of a request, and how they name its caller."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from reconciler.access.conditions import Condition
from reconciler.access.principals import PrincipalSet, Reach, is_account_root
from reconciler.access.request import AccessRequest
from reconciler.access.variables import Template
from reconciler.access.wildcard import Matcher, matches_characters


@dataclass(frozen=True, slots=True)
class Patterns:
    """Actions or resources of a statement; ``inverted`` for NotAction and NotResource. ``templates`` are those with
    policy variables."""

    inverted: bool
    matchers: tuple[Matcher, ...]
    everything: bool = False
    templates: tuple[Template, ...] = ()
    _seen: dict[str, bool] = field(default_factory=dict, compare=False, repr=False)

    def cover(self, text: str, request: AccessRequest) -> bool:
        """Whether the statement speaks of ``text``."""
        if self.everything:
            return not self.inverted
        if self.templates and any(
            pattern is not None and matches_characters(pattern, text)
            for pattern in (one.resolve(request) for one in self.templates)
        ):
            return not self.inverted
        known = self._seen.get(text)
        if known is None:
            known = any(match(text) for match in self.matchers) is not self.inverted
            if len(self._seen) < 256:  # actions are few, but the words come from outside
                self._seen[text] = known
        return known


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement. ``name`` is its Sid, or its place (``#2``) when it has none. ``principals`` is None in an
    identity policy, whose principal is whoever holds it."""

    name: str
    denies: bool
    principals: PrincipalSet | None
    not_principals: bool
    actions: Patterns
    resources: Patterns
    conditions: tuple[Condition, ...]

    def reach(self, request: AccessRequest) -> Reach:
        """How the statement names the caller of ``request``; a Deny on an account names all of its principals. One on
        all but an account spares its root principal alone, as in the public service: whoever else is to be spared is
        named beside it."""
        if self.principals is None:
            return Reach.DIRECT
        found = self.principals.reach(request.caller)
        if self.not_principals:
            is_through_account = found is Reach.ACCOUNT and not is_account_root(request.caller.principal)
            return Reach.DIRECT if found is Reach.NONE or (self.denies and is_through_account) else Reach.NONE
        return found

    def concerns(self, request: AccessRequest) -> bool:
        """Whether action and resource are the statement's."""
        return self.names_action(request) and self.names_resource(request)

    def names_action(self, request: AccessRequest) -> bool:
        """Whether it speaks of the action."""
        return self.actions.cover(request.action.lower(), request)

    def names_resource(self, request: AccessRequest) -> bool:
        """Whether it speaks of the key, or of whatever else the request is about."""
        if self.resources.everything:
            return not self.resources.inverted
        resource = request.resource if request.key is None else request.key.arn
        return resource is not None and self.resources.cover(resource, request)

    def unmet(self, request: AccessRequest) -> Condition | None:
        """The first condition that ``request`` does not meet, None when it meets all."""
        for condition in self.conditions:
            if not condition.met(request):
                return condition
        return None


@dataclass(frozen=True, slots=True)
class Policy:
    """A key policy or an identity policy, as ``parsing.parse_policy`` answers it. ``name`` is an identity policy's."""

    statements: tuple[Statement, ...]
    identifier: str | None = None
    condition_keys: frozenset[str] = frozenset()
    name: str | None = None

    def asks_for(self, prefix: str) -> bool:
        """Whether any condition is on a key that begins with ``prefix`` (lower case)."""
        return any(key.startswith(prefix) for key in self.condition_keys)


def default_key_policy(account: str) -> Mapping[str, object]:
    """The document of a key made without one: everything is delegated to the account's own policies."""
    return {
        "Version": "2012-10-17",
        "Id": "key-default-1",
        "Statement": [
            {
                "Sid": "Enable IAM User Permissions",
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
                "Action": "kms:*",
                "Resource": "*",
            }
        ],
    }
