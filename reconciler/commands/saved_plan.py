"""A plan in a file: what binds it to the moment that it was made in (CONTRACT 3, I12)."""

from __future__ import annotations

import hashlib
import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

from reconciler import __version__
from reconciler.commands.session import Session
from reconciler.errors import StalePlan, UsageError
from reconciler.model.address import Address
from reconciler.model.blast_radius import Loss
from reconciler.model.change import Change
from reconciler.model.plan import Plan
from reconciler.model.ports import Mac
from reconciler.planning.request import PlanRequest
from reconciler.providers.discovery import GROUP
from reconciler.resources.planned import Planned
from reconciler.state.plan_file import VALID_FOR, SavedPlan, read_plan, write_plan


def save(session: Session, planned: Planned, path: Path) -> None:
    """Write the plan to a file, sealed with the project's seal."""
    from reconciler.views.plan_json import plan_document
    from reconciler.views.plan_markdown import render_plan_markdown
    from reconciler.views.plan_text import render_plan

    if planned.plan.selection.get("at") is not None:
        raise UsageError(
            "A plan of another time (--at) is for looking ahead; it cannot be saved, since nothing of it is due yet",
            suggestion="Leave --out away, or plan without --at.",
        )

    plan, now = planned.plan, session.clock.now()
    saved = SavedPlan(
        plan_id=plan.plan_id,
        lineage=plan.lineage,
        serial=plan.serial,
        manifests_digest=plan.manifests_digest,
        plan_digest=plan_digest(plan),
        world_digest=world_digest(planned),
        versions=versions(session),
        created_at=now,
        expires_at=now + VALID_FOR,
        selection=plan.selection,
        document=plan_document(plan),
        text=render_plan(plan, colour=False),
        markdown=render_plan_markdown(plan),
    )
    write_plan(session.fs, session.random, _seal(session, path), _absolute(path), saved)


def load(session: Session, path: Path) -> SavedPlan:
    """The saved plan. StalePlan when it is not this project's or was changed."""
    return read_plan(session.fs, _seal(session, path), _absolute(path))


def _seal(session: Session, path: Path) -> Mac:
    if session.seal is None:
        raise StalePlan(
            f"{path} was not made for this project: the project has no seal yet",
            suggestion="Plan again in this project: reconciler plan --out FILE",
        )
    return session.seal


def plan_digest(plan: Plan) -> str:
    """SHA-256 (hex) of what the plan does: equal for two plans that do the same, and that cut off the same."""
    from reconciler.views.plan_json import change_document

    changes = [[change_document(change), _cut_off(change)] for change in plan.changes]
    return hashlib.sha256(json.dumps(changes, sort_keys=True, default=str).encode()).hexdigest()


def _cut_off(change: Change) -> list[str]:
    """What is under the keys that the change cuts off: whoever accepted an outage accepted that one."""
    if not any(operation.cuts_off or operation.revokes for operation in change.operations):
        return []
    lost = (one.identity for radius in change.blast_radius for one in radius.lost(Loss.UNREADABLE))
    return sorted(set(lost))


def world_digest(planned: Planned) -> str:
    """SHA-256 (hex) of what was observed: equal while every object is as it was. How much data there is does not
    count, so that writing rows makes no plan stale."""
    digest = hashlib.sha256()
    for address, observation in sorted(planned.observed.items()):
        digest.update(f"{address}\n{'' if observation is None else observation.steady_json()}\n".encode())
    return digest.hexdigest()


def versions(session: Session) -> dict[str, str]:
    """Versions of this tool and of the plugins that the project's Providers name."""
    from importlib.metadata import entry_points

    used = {provider.plugin for provider in session.manifests.providers.values()}
    found = {"reconciler": __version__}
    for entry in entry_points(group=GROUP):
        if entry.name in used:
            found[entry.name] = entry.dist.version if entry.dist is not None else "?"
    return found


def refuse_when_stale(saved: SavedPlan, planned: Planned, session: Session) -> None:
    """StalePlan, with which of its bonds no longer holds. Called under the lock."""
    if session.reader.plan_was_used(saved.plan_id):
        raise StalePlan(
            f"The saved plan {saved.plan_id} was applied already; a plan is used once",
            suggestion="Plan again: reconciler plan --out FILE",
        )
    plan = planned.plan
    saved.check(
        lineage=plan.lineage,
        serial=plan.serial,
        manifests_digest=plan.manifests_digest,
        versions=versions(session),
        now=session.clock.now(),
    )
    saved.check_world(world_digest(planned), plan_digest(plan))


def request_of(saved: SavedPlan) -> PlanRequest:
    """The flags that the plan was made with."""
    fields: dict[str, Any] = dict(saved.selection)
    labelled = fields["labelled"]
    return PlanRequest(
        refresh=fields["refresh"],
        refresh_only=fields["refresh_only"],
        destroy=fields["destroy"],
        targets=tuple(map(Address, fields["targets"])),
        excludes=tuple(map(Address, fields["excludes"])),
        labelled=None if labelled is None else frozenset(map(Address, labelled)),
        replace=tuple(map(Address, fields.get("replace", ()))),
        accept_outage=tuple(map(Address, fields["accept_outage"])),
        confirmed=fields["confirmed"],
        at=None if fields["at"] is None else datetime.fromisoformat(fields["at"]),
    )


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))
