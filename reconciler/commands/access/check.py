"""``reconciler access check``: whether a principal may do something with a key, now or after the plan, and what decides
it. Uses no key: the policy and the grants are read, and decided on here as the key service would."""

from __future__ import annotations

from dataclasses import replace

import click

from reconciler.access.actions import ON_A_KEY
from reconciler.access.principals import account_of, is_service
from reconciler.access.simulation import Request, caller_of
from reconciler.commands import output
from reconciler.commands.context import Globals
from reconciler.commands.planning import address, make_plan
from reconciler.commands.session import Session
from reconciler.errors import UsageError
from reconciler.model.nearest import did_you_mean
from reconciler.planning.lockout_guard import rehearsal_of
from reconciler.planning.lockout_world import PlannedKey
from reconciler.planning.memory import Memory
from reconciler.planning.request import PlanRequest
from reconciler.resources.reference import Reference
from reconciler.views.access_check import Answer, access_document, render_access


@click.command("check")
@click.argument("principal")
@click.argument("action")
@click.argument("key")
@click.option("--via", metavar="SERVICE", help="The service that calls on the principal's behalf.")
@click.option("--context", "pairs", metavar="K=V", multiple=True, help="A pair of the encryption context.")
@click.option("--tag", "tags", metavar="K=V", multiple=True, help="A tag of the principal (aws:PrincipalTag/K).")
@click.option("--explain", "explains", is_flag=True, help="Show every statement and grant, and why it did or did not.")
@click.option("--as-planned", is_flag=True, help="As policies and grants will be once the plan is carried out.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="How to print.")
@click.pass_obj
def command(  # noqa: PLR0917  # click hands options over by name
    flags: Globals,
    /,
    principal: str,
    action: str,
    key: str,
    via: str | None,
    pairs: tuple[str, ...],
    tags: tuple[str, ...],
    explains: bool,
    as_planned: bool,
    form: str,
) -> int:
    """Say whether PRINCIPAL may do ACTION with KEY, and which statement or grant decides it, or the closest miss.

    PRINCIPAL is an ARN, or a service's name for a service on nobody's behalf. KEY is a Key's address, or an ARN.

    Example: reconciler access check arn:aws:iam::111122223333:role/app kms:Decrypt Key/orders --context tenant=a
    """
    context = _pairs(pairs, "--context", "an encryption context")
    tagged = _pairs(tags, "--tag", "a principal's tags")
    operation = _operation(action)
    _check_principal(principal)
    with Session(flags) as session:
        found = _key(session, key, as_planned=as_planned)
        request = Request(
            caller=replace(caller_of(principal, found.account, via), tags=tagged),
            operation=operation,
            context=context or None,
        )
        decision = found.simulated.decide(request, session.clock.now())
        trace = found.simulated.explain(request, session.clock.now()) if explains else None
    named = key if key.startswith("arn:") else str(address(key if "/" in key else f"Key/{key}"))
    answer = Answer(key=named, request=request, decision=decision, as_planned=as_planned, trace=trace)
    if form == "json":
        output.tell_json(access_document(answer))
    else:
        output.tell(render_access(answer))
    return 0


def _operation(action: str) -> str:
    """The action's name without its service. UsageError: a slip of the pen must not read as "may not"."""
    name = action.removeprefix("kms:")
    if name not in ON_A_KEY:
        raise UsageError(
            f'"{action}" is no action on a key',
            suggestion=did_you_mean(name, ON_A_KEY) or "One reads kms:Decrypt; the README of the key service has all.",
        )
    return name


def _check_principal(principal: str) -> None:
    if account_of(principal) is None and not is_service(principal):
        raise UsageError(
            f'"{principal}" is not the ARN of a principal, and no service',
            suggestion="One reads arn:aws:iam::111122223333:role/app, or redshift.amazonaws.com.",
        )


def _pairs(written: tuple[str, ...], option: str, of: str) -> dict[str, str]:
    found = {}
    for pair in written:
        name, equals, value = pair.partition("=")
        if not name or not equals:
            raise UsageError(f'"{pair}" is no pair of {of}', suggestion=f"Write {option} NAME=VALUE.")
        found[name] = value
    return found


def _key(session: Session, key: str, *, as_planned: bool) -> PlannedKey:
    """The key as it is, or as the plan leaves it. UsageError."""
    reference = Reference("Key", None, key)
    if not key.startswith("arn:"):
        wanted = address(key if "/" in key else f"Key/{key}")
        if wanted.kind != "Key":
            raise UsageError(f"{wanted} is no Key", suggestion="Name a Key, or the ARN of a key.")
        reference = Reference("Key", wanted.name)
    memory = Memory(state=session.reader, services=session, heads=session.reader.heads())
    changes = []
    if as_planned:
        planned = make_plan(session, PlanRequest(), warn=False).plan.changes
        changes = [replace(change, blocked=()) for change in planned]  # what is refused is asked about all the more
    rehearsal = rehearsal_of(
        changes, services=session, memory=memory, declared=session.declared, now=session.clock.now()
    )
    rehearsal.run(changes)
    found = rehearsal.world.key(reference) if as_planned or _is_there(reference, memory) else None
    if found is None:
        problems = rehearsal.world.unread
        raise UsageError(
            f"{key} cannot be looked at" + (f": {problems[0]}" if problems else ""),
            suggestion="Name a Key that has been applied (or add --as-planned), or the ARN of a key of a declared "
            "Provider, as a principal that may see its policy: --as ARN.",
        )
    return found


def _is_there(reference: Reference, memory: Memory) -> bool:
    """Whether the key exists: what is only declared has no policy yet."""
    if reference.address is None:
        return True
    row = memory.row(reference.address)
    return row is not None and row.identity is not None
