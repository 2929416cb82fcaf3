"""How long a plan's operations take, by what their providers measured so far (RE9, RE12)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from reconciler.errors import ReconcilerError
from reconciler.model.change import Change, Operation
from reconciler.model.ports import Services
from reconciler.resources.kind import EstimatesItself


def estimated(changes: Sequence[Change], services: Services) -> list[Change]:
    """The changes with seconds where a step can tell; uses no key. Asks only for operations that rewrite data."""
    return [
        replace(change, operations=tuple(_estimated(operation, services) for operation in change.operations))
        if any(operation.impact.bytes for operation in change.operations)
        else change
        for change in changes
    ]


def _estimated(operation: Operation, services: Services) -> Operation:
    if not operation.impact.bytes:
        return operation
    known = [_seconds(step, services) for step in operation.steps if isinstance(step, EstimatesItself)]
    told = [seconds for seconds in known if seconds is not None]
    return replace(operation, impact=replace(operation.impact, seconds=sum(told))) if told else operation


def _seconds(step: EstimatesItself, services: Services) -> float | None:
    try:
        return step.seconds(services)
    except ReconcilerError:
        return None  # whoever carries it out hears why; a plan does without
