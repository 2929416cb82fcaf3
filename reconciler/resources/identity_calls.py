"""What a step does to the identity policies of a principal, said before it runs: a plan rehearses it (CONTRACT 5)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityChange:
    """The policy ``name`` of ``principal`` becomes ``document``; None: it is taken away."""

    principal: str
    name: str
    document: Mapping[str, Any] | None

    @property
    def action(self) -> str:
        """The public permission that it takes."""
        verb = "Delete" if self.document is None else "Put"
        return f"iam:{verb}{'User' if ':user/' in self.principal else 'Role'}Policy"


@runtime_checkable
class ChangesIdentities(Protocol):
    """A step that changes what a principal may do."""

    def identity_change(self) -> IdentityChange:
        """The change."""
