"""Observed differs from recorded: findings, classed by each kind and ranked (CONTRACT 6)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from reconciler.errors import AccessDeniedException
from reconciler.model.address import Address
from reconciler.model.drift import Severity
from reconciler.model.plan import Finding
from reconciler.model.recorded import Recorded, Standing
from reconciler.planning.ignoring import not_ignored
from reconciler.resources import registry
from reconciler.resources.kind import DriftInput, Observation

_RANK: Final = {severity: rank for rank, severity in enumerate(Severity)}
# A key that waits out its window was asked to go; what else is in the state is watched, kept objects too.
_WATCHED: Final = frozenset({Standing.MANAGED, Standing.RETAINED})
_STAYS: Final = frozenset({"plaintext-snapshot", "data-plaintext-found"})
_LAST: Final = 1_000


def findings(rows: Iterable[Recorded], observed: Mapping[Address, Observation | None], now: datetime) -> list[Finding]:
    """What moved behind our back since each resource was settled, gravest first. Has no way to write anything."""
    found: list[Finding] = []
    for row in rows:
        if row.observed is None or row.standing not in _WATCHED or row.address not in observed:
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
        each = not_ignored(kind, given, kind.drift(given))
        found.extend(map(_of_retained, each) if row.standing is Standing.RETAINED else each)
    return ranked(found)


def ranked(found: Iterable[Finding]) -> list[Finding]:
    """Gravest first; within a severity by address and path."""
    return sorted(found, key=lambda finding: (_RANK[finding.severity], finding.address, finding.path))


def with_standing(
    drift: Iterable[Finding],
    rows: Mapping[Address, Recorded],
    observed: Mapping[Address, Observation | None],
    touched: Collection[Address],
    now: datetime,
) -> list[Finding]:
    """``drift``, and what did not move just now and weakens protection all the same, of the resources that a plan
    touches and of those that refer to them: snapshots in plaintext beside the cluster that it changes (RE15)."""
    told = {(one.address, one.drift_class) for one in drift}
    near = [row for row in rows.values() if row.address in touched or not set(row.references).isdisjoint(touched)]
    stays = [one for one in findings(near, observed, now) if one.drift_class in _STAYS]
    return ranked([*drift, *(one for one in stays if (one.address, one.drift_class) not in told)])


def shut_out(rows: Iterable[Recorded], denied: Mapping[Address, AccessDeniedException], now: datetime) -> list[Finding]:
    """``policy-lockout`` for each key that the caller may not even describe: one finding, at what decides about it (its
    policy) where that is managed."""
    by_key: dict[str, list[Recorded]] = defaultdict(list)
    for row in rows:
        if row.address in denied and row.standing in _WATCHED:
            by_key[str(row.attributes.get("key_arn") or row.attributes.get("arn") or row.identity)].append(row)
    found = []
    for arn, shut in sorted(by_key.items()):
        first = min(shut, key=lambda row: (_completes(row.address), row.address))
        also = sorted(row.address for row in shut if row is not first)
        fix = (
            f"have a principal whom the policy of {arn} still names put the declared policy back, or act as one (--as)"
        )
        found.append(
            Finding(
                address=first.address,
                drift_class="policy-lockout",
                path="document",
                expected="whoever plans and applies may look at the key and manage it",
                observed=denied[first.address].summary,
                fix=f"{fix}; {', '.join(also)} cannot be looked at either" if also else fix,
                observed_at=now,
            )
        )
    return found


def _completes(address: Address) -> int:
    number = registry.completes(address.kind)
    return _LAST if number is None else number


def _of_retained(finding: Finding) -> Finding:
    """Of an object whose manifest is gone: apply leaves it alone (I17)."""
    address = finding.address
    return replace(
        finding,
        fix=f"no manifest declares it any more: declare {address} again, and {finding.fix}; or `reconciler state rm "
        f"{address}`, and nobody watches it",
    )
