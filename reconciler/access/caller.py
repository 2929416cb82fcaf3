"""Who asks, for whom, and through which service."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The identity that a request carries (KM6).

    ``principal`` is an ARN, or a service's name (``cassandra.eu-west-1.amazonaws.com``) when a service works on its own
    behalf. ``account`` has 12 digits. ``via_service`` is the service that acts for the principal, None for a direct
    call. ``grant_tokens`` let a grant count before it is known everywhere. In process the identity is declared, not
    authenticated.
    """

    principal: str
    account: str
    via_service: str | None = None
    grant_tokens: tuple[str, ...] = ()

    @property
    def is_service(self) -> bool:
        """Whether a service calls on nobody's behalf."""
        return self.principal.endswith(".amazonaws.com") and not self.principal.startswith("arn:")

    def via(self, service: str) -> Caller:
        """The same principal, with ``service`` acting on its behalf."""
        return replace(self, via_service=service)
