"""``reconciler lock break``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import click

from reconciler.commands import output
from reconciler.commands.applying import ask
from reconciler.commands.context import Globals
from reconciler.commands.marking import Marks
from reconciler.commands.session import Session
from reconciler.errors import CollectedErrors, Diagnostic, ReconcilerError, UsageError
from reconciler.host.process import Process
from reconciler.state.liveness import Liveness, liveness
from reconciler.state.store import Holder

_WHAT_IT_MEANS: Final = (
    "Breaking the lock raises its fencing token. From then on state and providers refuse whatever the old holder still "
    "has in hand; what it began stands in the journal, and the next apply takes it up."
)
_DO_FIRST: Final = {
    Liveness.ALIVE: "Do this first: end process {pid} on this host (kill {pid}), or wait for it. The lock of a process "
    "that has ended is taken over by the next apply, without breaking anything.",
    Liveness.LEASED: "Do this first: make sure on {host} that process {pid} has ended. Its lease runs until {until}; "
    "after that the next apply takes the lock over by itself.",
    Liveness.DEAD: "It need not be broken: process {pid} has ended, so the next apply takes the lock over at once.",
    Liveness.EXPIRED: "It need not be broken: the lease ran out, so the next apply takes the lock over at once.",
}


@click.command("break")
@click.option("--auto-approve", is_flag=True, help="Do not ask.")
@click.pass_obj
def command(flags: Globals, /, auto_approve: bool) -> int:
    """Take the lock away from its holder, for good: whatever it still has in hand is refused everywhere.

    Nothing is undone and nothing is lost: the journal has what the holder began, and the next apply takes it up.

    Example: reconciler lock break
    """
    with Session(flags) as session:
        found = session.reader.lock_holder()
        if found is None:
            output.tell("The lock is free; there is nothing to break.")
            return 0
        _explain(found, liveness(found, Process.current(), session.clock.now().timestamp()))
        providers = sorted(session.manifests.providers)  # while nothing is broken yet: they are to be told of it
        if not auto_approve:
            _approve()
        session.store.acquire("lock break", timeout=0, over=found.token)
        try:
            untold = _tell(session, providers)
            with suppress(ReconcilerError):  # who cannot be told is named already
                Marks(session).start(session.store)
        finally:
            session.store.release()
    output.tell(
        f"The lock is free. State and providers refuse whatever comes under fencing token {found.token}, which "
        f"process {found.pid} on {found.host} held."
    )
    if untold:
        raise CollectedErrors(untold)
    return 0


def _explain(found: Holder, standing: Liveness) -> None:
    from reconciler.views.lock_text import render_lock, time_text

    output.remark(render_lock(found, standing, colour=output.has_colour(sys.stderr)))
    first = _DO_FIRST[standing].format(pid=found.pid, host=found.host, until=time_text(found.expires))
    output.remark(f"{_WHAT_IT_MEANS}\n{first}\n")


def _approve() -> None:
    if not sys.stdin.isatty():
        raise UsageError(
            "Nobody is there to approve it; the lock was not broken",
            suggestion="Use --auto-approve when it is certain that the holder has ended.",
        )
    if ask("Break the lock? Only 'yes' is taken for yes: ") != "yes":
        raise UsageError("Not approved; the lock was not broken", suggestion="Only 'yes' in full is taken for yes.")


def _tell(session: Session, providers: Sequence[str]) -> list[Diagnostic]:
    """Have every declared provider refuse the old holder at once; those that could not be told."""
    untold: list[Diagnostic] = []
    for name in providers:
        try:
            session.provider(name)  # the pool raises the fence of each that it opens while a lock is held
        except ReconcilerError as error:
            untold.append(
                Diagnostic(
                    code="untold-provider",
                    summary=f"The lock is broken, but Provider/{name} could not be told: {error.summary}",
                    address=f"Provider/{name}",
                    suggestion="Until the next apply reaches it, the old holder can still change something there. Make "
                    "sure that its process has ended.",
                )
            )
    return untold
