"""What plan, apply, destroy and drift share: their flags, and asking the planner."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import click

from reconciler.commands.output import explain, remark
from reconciler.commands.session import Session
from reconciler.errors import InvalidManifests, UsageError
from reconciler.model.address import Address
from reconciler.planning.request import PlanRequest
from reconciler.resources.planned import Planned

F = TypeVar("F", bound=Callable[..., Any])


_TARGET = "Only this resource and what it needs; what is destroyed takes along what needs it."
_EXCLUDE = "Not this resource, nor what needs it; what is destroyed leaves what it needs."


def selection_flags(run: F) -> F:
    """The flags that say what a plan looks at (CONTRACT 3)."""
    options = [
        click.option("--refresh/--no-refresh", default=True, help="Ask the providers what is there (the default)."),
        click.option("--refresh-only", is_flag=True, help="Only look for drift; apply then remembers what is there."),
        click.option("--target", metavar="ADDR", multiple=True, help=_TARGET),
        click.option("--exclude", metavar="ADDR", multiple=True, help=_EXCLUDE),
        click.option("--replace", metavar="ADDR", multiple=True, help="Make this anew; refused for keys and data."),
        click.option("--accept-outage", metavar="ADDR", multiple=True, help="Let this key be disabled while in use."),
        click.option("--at", metavar="TIME", help="Plan as if it were then (ISO 8601)."),
        click.option("--parallelism", metavar="N", type=click.IntRange(1, 64), default=8, help="Operations at once."),
        click.option("--show-timing", is_flag=True, help="Say how long the refresh took, per resource."),
    ]
    for option in reversed(options):
        run = option(run)
    return run


def refuse_another_time(flags: dict[str, Any]) -> None:
    """UsageError when ``--at`` was given to a command that changes something."""
    if flags["at"] is not None:
        raise UsageError(
            "What is carried out is what is due now; --at looks ahead, and belongs to plan",
            suggestion=f"See what will be due: reconciler plan --at {flags['at']}",
        )


def request_from(
    session: Session, flags: dict[str, Any], *, destroy: bool = False, confirmed: bool = False
) -> PlanRequest:
    """The plan that the flags ask for. UsageError."""
    if destroy and flags["refresh_only"]:
        raise UsageError(
            "--refresh-only looks and changes nothing; it does not go with destroying",
            suggestion="Give the one or the other.",
        )
    return PlanRequest(
        refresh=flags["refresh"],
        refresh_only=flags["refresh_only"],
        destroy=destroy,
        targets=tuple(address(text) for text in flags["target"]),
        excludes=tuple(address(text) for text in flags["exclude"]),
        replace=() if destroy else tuple(address(text) for text in flags["replace"]),
        accept_outage=tuple(address(text) for text in flags["accept_outage"]),
        labelled=session.selected,
        at=None if flags["at"] is None else moment(flags["at"]),
        confirmed=confirmed,
    )


def make_plan(
    session: Session, request: PlanRequest, *, show_timing: bool = False, warn: bool = True, tell_due: bool = False
) -> Planned:
    """Ask the planner, with everything handed in. ``tell_due``: the plan has what an apply does beside it, too."""
    from reconciler.planning.planner import Planner

    manifests = session.manifests
    if warn:
        explain([*session.settings.warnings, *manifests.warnings])
    planner = Planner(
        declared=session.declared,
        manifests_digest=manifests.digest,
        state=session.reader,
        services=session,
        inventory=session.inventory,
        plan_id=session.new_id(),
        measured=_report if show_timing else lambda count, seconds: None,
    )
    planned = planner.plan(request)
    if request.refresh and session.fence() is None:  # the providers are open anyway; apply has asked under its lock
        from reconciler.commands.marking import compare_read

        compare_read(session, session.reader)
    if planned.plan.changes:
        _refuse_what_no_provider_does(session, planned)
    if tell_due and request.refresh:
        from reconciler.commands.due import with_due_work

        planned = with_due_work(session, planned)
    return planned


def _refuse_what_no_provider_does(session: Session, planned: Planned) -> None:
    from reconciler.commands.provider_fit import incapable, misfits, unready

    changes = planned.plan.changes
    changing = (change.address for change in changes if change.operations or change.blocked)
    served = [address for address in changing if address in planned.declared]
    if served:
        problems = misfits(session, served) or unready(session, served) or incapable(session, changes)
    else:
        problems = incapable(session, changes)
    if problems:
        raise InvalidManifests(problems)


def _report(count: int, seconds: float) -> None:
    remark(f"Refreshed {count} resources in {seconds:.3f} s ({seconds / max(count, 1) * 1e6:.0f} µs each).")


def address(text: str) -> Address:
    """``kind/name``, the kind in any case (CONTRACT 1). UsageError."""
    from reconciler.model.nearest import nearest
    from reconciler.resources import registry

    kind, slash, name = text.partition("/")
    known = registry.spelled(kind)
    if not slash or not name or known is None:
        near = nearest(kind, registry.kind_names())
        raise UsageError(
            f'"{text}" is no address',
            suggestion="An address is Kind/name" + (f": did you mean {near}/{name or 'name'}?" if near else "."),
        )
    return Address.of(known, name)


def moment(text: str) -> datetime:
    """A time as ISO 8601 has it, in UTC unless it says otherwise. UsageError."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f'"{text}" is no time', suggestion="Write it as ISO 8601 has it: 2026-12-31 or 2026-12-31T18:00:00Z."
        ) from None
    return parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)
