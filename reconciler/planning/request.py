"""What a plan is asked for."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from reconciler.model.address import Address


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRequest:
    """A plan's flags (CONTRACT 3). ``labelled`` are the resources that ``-l`` selected, None without it.
    ``replace`` are made anew though nothing asks for it.

    ``confirmed`` lifts the protection of what ``destroy`` was confirmed for by name. ``at`` plans as if it were then.
    """

    refresh: bool = True
    refresh_only: bool = False
    destroy: bool = False
    targets: tuple[Address, ...] = ()
    excludes: tuple[Address, ...] = ()
    labelled: frozenset[Address] | None = None
    replace: tuple[Address, ...] = ()
    accept_outage: Collection[Address] = ()
    confirmed: bool = False
    at: datetime | None = None

    def as_json(self) -> dict[str, Any]:
        """The flags that shape the plan, for a saved plan."""
        fields = asdict(self)
        fields["labelled"] = None if self.labelled is None else sorted(self.labelled)
        fields["accept_outage"] = sorted(self.accept_outage)
        fields["at"] = None if self.at is None else self.at.isoformat()
        return fields
