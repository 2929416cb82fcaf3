"""A plan for pipelines, exactly in the shape of CONTRACT 4 (``schemas/plan.json``)."""

from __future__ import annotations

from typing import Any

from reconciler.model.change import Block, Change, DiffEntry, Operation, Step
from reconciler.model.due_work import DueWork
from reconciler.model.plan import FORMAT_VERSION, Plan
from reconciler.views.blast_radius_json import radius_document
from reconciler.views.drift_json import finding_document
from reconciler.views.drift_text import rank
from reconciler.views.json_text import timestamp


def plan_document(plan: Plan) -> dict[str, Any]:
    """The whole plan. Nothing in it is shortened, nothing in it is secret (I19)."""
    return {
        "formatVersion": FORMAT_VERSION,
        "planId": plan.plan_id,
        "createdAt": timestamp(plan.created_at),
        "lineage": plan.lineage,
        "serial": plan.serial,
        "manifestsDigest": plan.manifests_digest,
        "summary": plan.summary(),
        "changes": [_measured(change) for change in plan.changes],
        "drift": [finding_document(finding) for finding in rank(plan.drift)],
        "warnings": [warning.as_json() for warning in plan.warnings],
        **({"due": [_due(one) for one in plan.due]} if plan.due else {}),
    }


def _measured(change: Change) -> dict[str, Any]:
    """The change with what moves with time and data: bytes, seconds, and what its keys open."""
    document = change_document(change)
    for operation, shown in zip(change.operations, document["operations"], strict=True):
        impact = operation.impact
        measured = {} if impact.seconds is None else {"seconds": round(impact.seconds, 3)}
        shown["impact"] = {
            "availability": str(impact.availability),
            "bytes": impact.bytes,
            "keyServiceCalls": impact.key_service_calls,
            **measured,
        }
    return {**document, "blastRadius": [radius_document(radius) for radius in change.blast_radius]}


def change_document(change: Change) -> dict[str, Any]:
    """One change with its operations, diff and blocks: what it does, however much data there is by then."""
    return {
        "address": str(change.address),
        "action": str(change.action),
        "operations": [_operation(operation) for operation in change.operations],
        "diff": [_entry(entry) for entry in change.diff],
        "blocked": [_block(block) for block in change.blocked],
    }


def _operation(operation: Operation) -> dict[str, Any]:
    return {
        "verb": str(operation.verb),
        "reason": operation.reason,
        "steps": [_step(step) for step in operation.steps],
        "impact": {
            "availability": str(operation.impact.availability),
            "keyServiceCalls": operation.impact.key_service_calls,
        },
    }


def _step(step: Step) -> dict[str, Any]:
    return {"id": step.id, "summary": step.summary, "reversible": step.reversible}


def _entry(entry: DiffEntry) -> dict[str, Any]:
    return {"path": entry.path, "before": entry.before, "after": entry.after}


def _due(one: DueWork) -> dict[str, Any]:
    return {
        "what": one.what,
        "provider": one.provider,
        "kind": one.kind,
        "name": one.name,
        "address": None if one.address is None else str(one.address),
        "since": None if one.since is None else timestamp(one.since),
        "removesData": one.removes_data,
    }


def _block(block: Block) -> dict[str, Any]:
    return {"guard": block.guard, "reason": block.reason, "wayOut": list(block.way_out)}
