"""Observed differs from recorded: findings, classed by each kind and ranked (CONTRACT 6)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from reconciler.model.address import Address
from reconciler.model.drift import Severity
from reconciler.model.plan import Finding
from reconciler.model.recorded import Recorded, Standing
from reconciler.resources import registry
from reconciler.resources.kind import DriftInput, Observation

_RANK = {severity: rank for rank, severity in enumerate(Severity)}


def findings(rows: Iterable[Recorded], observed: Mapping[Address, Observation | None], now: datetime) -> list[Finding]:
    """What moved behind our back since each resource was settled, gravest first. Has no way to write anything."""
    found: list[Finding] = []
    for row in rows:
        if row.observed is None or row.standing is not Standing.MANAGED:
            continue
        kind = registry.kind(row.address.kind)
        given: DriftInput[Any, Any] = DriftInput(
            address=row.address,
            recorded=row,
            spec=None if row.spec is None else kind.spec.model_validate_json(row.spec),
            expected=kind.observation.model_validate_json(row.observed),
            observed=observed.get(row.address),
            now=now,
        )
        found.extend(kind.drift(given))
    return sorted(found, key=lambda finding: (_RANK[finding.severity], finding.address, finding.path))
