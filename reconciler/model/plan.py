"""A plan: what apply would do, as data (DESIGN 4)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from reconciler.errors import Diagnostic
from reconciler.model.address import Address
from reconciler.model.change import Action, Change
from reconciler.model.drift import SEVERITY, Severity
from reconciler.model.due_work import DueWork

FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One drift finding (CONTRACT 4 and 6). Its severity is that of its class."""

    address: Address
    drift_class: str
    path: str
    expected: Any
    observed: Any
    fix: str
    observed_at: datetime | None = None

    @property
    def severity(self) -> Severity:
        """How grave it is."""
        return SEVERITY[self.drift_class]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What apply would do, in dependency order. Holds no secret; ``noop_count`` counts the resources left out.

    ``lineage`` and ``serial`` are those of the state that it was made from; ``manifests_digest`` is SHA-256, in hex, of
    what was declared. ``due`` is what the apply does beside it, and no part of what is to be approved.
    """

    plan_id: str
    created_at: datetime
    lineage: str
    serial: int
    manifests_digest: str
    changes: tuple[Change, ...]
    noop_count: int
    drift: tuple[Finding, ...] = ()
    warnings: tuple[Diagnostic, ...] = ()
    selection: dict[str, Any] = field(default_factory=dict)
    due: tuple[DueWork, ...] = ()

    @property
    def has_changes(self) -> bool:
        """Whether apply would do anything: a retained object does not count (CONTRACT 1)."""
        return any(change.operations for change in self.changes)

    @property
    def is_blocked(self) -> bool:
        """Whether a guard refused any of it (exit 4)."""
        return any(change.blocked for change in self.changes)

    def summary(self) -> dict[str, Any]:
        """Counts as in CONTRACT 4's plan JSON; ``retain`` and ``forget`` are added when there are any."""
        actions = Counter(change.action for change in self.changes)
        verbs = Counter(str(operation.verb) for change in self.changes for operation in change.operations)
        always = (Action.CREATE, Action.UPDATE, Action.REPLACE, Action.DELETE)
        counts: dict[str, Any] = {str(action): actions[action] for action in always}
        counts["noop"] = self.noop_count + actions[Action.NOOP]
        for action in (Action.RETAIN, Action.FORGET, Action.IMPORT):
            if actions[action]:
                counts[str(action)] = actions[action]
        counts["operations"] = dict(sorted(verbs.items()))
        return counts
