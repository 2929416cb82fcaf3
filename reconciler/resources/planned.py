"""What planning hands to applying beside the plan itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from reconciler.model.address import Address
from reconciler.model.change import Change
from reconciler.model.plan import Plan
from reconciler.model.recorded import Recorded
from reconciler.resources.resource import Resource

if TYPE_CHECKING:
    import networkx as nx

    from reconciler.resources.kind import Observation

Declared = Mapping[Address, Resource]


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A plan, and what carrying it out needs: what is declared, and the rows and observations that it was made from.

    ``references`` of every resource that is declared or being removed. ``examined`` are all resources that were looked
    at: those without operations are settled in the state by an apply. ``graph`` (``graph.build``) has them in it, None
    where nothing is to be done. ``renames`` are the recorded resources that get
    another address before anything else is done, old → new; ``rows`` have it already.
    """

    plan: Plan
    declared: Declared
    references: Mapping[Address, tuple[Address, ...]] = field(default_factory=dict)
    rows: Mapping[Address, Recorded] = field(default_factory=dict)
    observed: Mapping[Address, Observation | None] = field(default_factory=dict)
    examined: tuple[Change, ...] = ()
    graph: nx.DiGraph[Address] | None = None
    renames: Mapping[Address, Address] = field(default_factory=dict)
