"""How one identity policy is named: a principal holds several, each under a name."""

from __future__ import annotations

from typing import NamedTuple


class Held(NamedTuple):
    """One policy of one principal."""

    principal: str
    name: str

    @property
    def identity(self) -> str:
        """Its id: ``arn:aws:iam::111122223333:role/app#reads-orders``."""
        return f"{self.principal}#{self.name}"

    @classmethod
    def of(cls, identity: str) -> Held:
        """The policy of an id."""
        principal, _, name = identity.rpartition("#")
        return cls(principal, name)

    @property
    def attributes(self) -> dict[str, object]:
        """What a recorded row of it holds."""
        return {"id": self.identity, "principal": self.principal, "name": self.name, "replaces": None}
