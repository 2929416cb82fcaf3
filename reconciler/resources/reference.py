"""How one resource names another in its spec: the bare name of the kind that the field asks for, or ``{arn: …}``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.model.address import Address
from reconciler.model.ports import Services


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference to a resource of ``kind``: either ``name`` (a manifest's) or ``arn`` (an object no manifest
    manages)."""

    kind: str
    name: str | None = None
    arn: str | None = None

    @property
    def address(self) -> Address | None:
        """The declared resource's address; None for an unmanaged object."""
        return None if self.name is None else Address.of(self.kind, self.name)

    def __str__(self) -> str:
        return self.arn if self.name is None and self.arn is not None else f"{self.kind}/{self.name}"

    def attributes(self, services: Services) -> Mapping[str, Any]:
        """What is recorded of the target; for an unmanaged object its ARN as ``arn`` and ``id``. KeyError when it
        does not exist yet (a step runs only after what it refers to)."""
        address = self.address
        if address is None:
            return {"id": self.arn, "arn": self.arn}
        return services.attributes(address)

    def arn_in(self, services: Services) -> str:
        """The target's ARN, at the time a step runs."""
        return str(self.attributes(services)["arn"])
