"""The answer of ``access check``: a sentence, or JSON (``schemas/access-check.json``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from reconciler.access.decision import Decision
from reconciler.access.explanation import told
from reconciler.access.simulation import Request
from reconciler.views.json_text import FORMAT_VERSION
from reconciler.views.safe_text import clean

_TRACED: Final = ("keyPolicy", "identityPolicies", "grants", "grantsNotShown")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What was asked, of which key, and what was decided; ``trace`` tells of every statement and grant."""

    key: str
    request: Request
    decision: Decision
    as_planned: bool
    trace: dict[str, Any] | None = None


def render_access(answer: Answer) -> str:
    """Two lines: the verdict, and what decides it."""
    request, decision = answer.request, answer.decision
    via = f" through {request.caller.via_service}" if request.caller.via_service else ""
    verdict = "may" if decision.allowed else "may not"
    when = ", once the plan is carried out" if answer.as_planned else ""
    said = f"{request.caller.principal}{via} {verdict} kms:{request.operation} with {answer.key}{when}"
    traced = "".join(f"    {clean(line)}\n" for line in told(answer.trace or {}))
    return f"{clean(said)}:\n  {clean(decision.reason)}\n{traced}"


def access_document(answer: Answer) -> dict[str, Any]:
    """The same for pipelines."""
    request, decision = answer.request, answer.decision
    trace = answer.trace or {}
    traced = {} if answer.trace is None else {"trace": {name: trace[name] for name in _TRACED}}
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
        **traced,
    }
