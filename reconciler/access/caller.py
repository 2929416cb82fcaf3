"""Who asks, for whom, and through which service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a request that came over the network came from, as it was authenticated (``serve``). ``address`` is the
    peer's IP address; ``access_key_id`` names the credential, never its secret; ``request_id`` has 16 bytes, and is
    what the client was answered as its request's id."""

    address: str
    user_agent: str
    access_key_id: str
    is_encrypted: bool
    request_id: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """The identity that a request carries (KM6).

    ``principal`` is an ARN, or a service's name (``cassandra.eu-west-1.amazonaws.com``) when a service works on its own
    behalf. ``account`` has 12 digits. ``via_service`` is the service that acts for the principal, None for a direct
    call. ``grant_tokens`` let a grant count before it is known everywhere. ``tags`` are the principal's
    (``aws:PrincipalTag/…``). ``dry_run``: whether the request would succeed is all that is asked. ``origin`` is None
    for a call in process, where the identity is declared, not authenticated.
    """

    principal: str
    account: str
    via_service: str | None = None
    grant_tokens: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    dry_run: bool = False
    origin: Origin | None = None

    @property
    def is_service(self) -> bool:
        """Whether a service calls on nobody's behalf."""
        return self.principal.endswith(".amazonaws.com") and not self.principal.startswith("arn:")

    def via(self, service: str) -> Caller:
        """The same principal, with ``service`` acting on its behalf."""
        return replace(self, via_service=service)
