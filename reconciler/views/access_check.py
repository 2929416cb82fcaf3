"""The answer of ``access check``: a sentence, or JSON (``schemas/access-check.json``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from reconciler.access.decision import Decision
from reconciler.access.simulation import Request
from reconciler.views.json_text import FORMAT_VERSION
from reconciler.views.safe_text import clean


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What was asked, of which key, and what was decided."""

    key: str
    request: Request
    decision: Decision
    as_planned: bool


def render_access(answer: Answer) -> str:
    """Two lines: the verdict, and what decides it."""
    request, decision = answer.request, answer.decision
    via = f" through {request.caller.via_service}" if request.caller.via_service else ""
    verdict = "may" if decision.allowed else "may not"
    when = ", once the plan is carried out" if answer.as_planned else ""
    said = f"{request.caller.principal}{via} {verdict} kms:{request.operation} with {answer.key}{when}"
    return f"{clean(said)}:\n  {clean(decision.reason)}\n"


def access_document(answer: Answer) -> dict[str, Any]:
    """The same for pipelines."""
    request, decision = answer.request, answer.decision
    return {
        "formatVersion": FORMAT_VERSION,
        "principal": request.caller.principal,
        "action": f"kms:{request.operation}",
        "key": answer.key,
        "via": request.caller.via_service,
        "context": dict(request.context or {}),
        "asPlanned": answer.as_planned,
        "allowed": decision.allowed,
        "effect": str(decision.effect),
        "source": str(decision.source),
        "statement": decision.statement,
        "grantId": decision.grant_id,
        "reason": decision.reason,
    }
