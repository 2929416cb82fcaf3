"""``reconciler import``: adopt what exists, or write the manifests that would."""

from __future__ import annotations

from dataclasses import replace

import click

from reconciler.commands import generating, output
from reconciler.commands.applying import holding_lock, lock_seconds
from reconciler.commands.context import Globals
from reconciler.commands.planning import address, make_plan
from reconciler.commands.session import Session
from reconciler.errors import UsageError
from reconciler.model.address import Address
from reconciler.model.change import Verdict
from reconciler.model.nearest import did_you_mean


@click.command("import")
@click.argument("words", metavar="[ADDR ID | KIND...]", nargs=-1)
@click.option("--generate", is_flag=True, help="Write manifests of everything that exists and nobody manages.")
@click.option("--provider", metavar="NAME", help="The Provider that has it, where no manifest says so.")
@click.option("-o", "out", metavar="FILE", default="-", help="Where --generate writes; - is stdout.")
@click.option("--lock-timeout", metavar="DURATION", default="0s", help="How long to wait for the lock (30s, 5m).")
@click.pass_obj
def command(  # noqa: PLR0917  # click hands options over by name
    flags: Globals, /, words: tuple[str, ...], generate: bool, provider: str | None, out: str, lock_timeout: str
) -> int:
    """Let a declared resource be an object that exists, by its id, ARN, alias or name. Nothing of it is changed.

    With --generate: print the manifests of everything that exists and is unmanaged; an apply of them adopts it all.

    Example: reconciler import Key/orders alias/orders
    """
    with Session(flags) as session:
        if provider is not None and provider not in session.manifests.providers:
            raise UsageError(
                f"No manifest declares Provider/{provider}",
                suggestion=did_you_mean(provider, session.manifests.providers),
                path="--provider",
            )
        if generate:
            return generating.generate(session, words, provider, out)
        if len(words) != 2:
            raise UsageError(
                "import takes an address and the id of what it is to be",
                suggestion="Such as: reconciler import Key/orders alias/orders",
            )
        wanted = address(words[0])
        if wanted in session.declared:
            with holding_lock(session, "import", lock_seconds(lock_timeout), "text"):
                _adopt(session, wanted, words[1])
            return 0
        return generating.print_one(session, wanted, words[1], provider)


def _adopt(session: Session, wanted: Address, identity: str) -> None:
    from reconciler.applying.adopting import adopt
    from reconciler.commands.provider_fit import misfits
    from reconciler.errors import InvalidManifests
    from reconciler.planning.importing import Importer, adopted, managed_by
    from reconciler.planning.request import PlanRequest
    from reconciler.views.plan_text import render_plan

    problems = misfits(session, [wanted])
    if problems:
        raise InvalidManifests(problems)
    resource, rows = session.declared[wanted], session.reader.all()
    recorded = next((row for row in rows if row.address == wanted and row.identity is not None), None)
    if recorded is not None:
        raise UsageError(
            f"{wanted} is in the state already: it is {recorded.identity}",
            suggestion=f"`reconciler state rm {wanted}` forgets that, and leaves the object.",
        )
    found = Importer(services=session, managed=managed_by(rows)).find(resource, identity)
    if isinstance(found, Verdict):
        raise _refused(found)
    serial = adopt(session.store, session, adopted(resource, found, ""))
    output.remark(f"{wanted} is {found.identity} from now on; the object is as it was (serial {serial}).")
    plan = make_plan(session, PlanRequest(targets=(wanted,))).plan
    mine = tuple(change for change in plan.changes if change.address == wanted)
    output.tell(render_plan(replace(plan, changes=mine), colour=False))


def _refused(verdict: Verdict) -> UsageError:
    (block,) = verdict.blocked
    return UsageError(block.reason, suggestion="\n".join(block.way_out))
