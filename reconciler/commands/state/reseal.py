"""``reconciler state reseal``: break glass."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from reconciler.commands import output
from reconciler.commands.applying import ask
from reconciler.commands.context import Globals
from reconciler.commands.marking import Marks
from reconciler.commands.session import Session
from reconciler.envelope.data_key import DataKey
from reconciler.envelope.mac import HmacSha256
from reconciler.errors import StateRolledBack, UsageError
from reconciler.host.sqlite import copy_store
from reconciler.model.ports import Mac
from reconciler.state.resealing import Resealing, examine
from reconciler.state.seal import create_seal, open_seal
from reconciler.state.store import Position


@click.command("reseal")
@click.option("--auto-approve", is_flag=True, help="Do not ask.")
@click.pass_obj
def command(flags: Globals, /, auto_approve: bool) -> int:
    """Break glass: prove a state anew that is not what was written, or whose seal is lost, or that is an older copy.

    Shows first what does not fit. Of rows that are proved by nothing those are taken over whose object its provider
    shows, and nothing but which object that is; the next plan compares them from the start. All others are forgotten.
    A copy of the state as it is now stays beside it. Whatever opened a key is untouched: nothing is asked of a provider
    but what is there.

    Example: reconciler state reseal
    """
    from reconciler.views.reseal_text import render_reseal

    with Session(flags) as session:
        found = _found(session)
        if not found.doubts:
            output.tell("Everything in the state is what was written; there is nothing to seal anew.")
            return 0
        output.remark(render_reseal(found, colour=output.has_colour(sys.stderr)))
        _approve(is_approved=auto_approve)
        kept = _keep_copy(session)
        store = session.open_in_doubt(_seal(session))
        store.reseal(
            [*found.sound, *found.believed],
            keeps_journal=found.keeps_journal,
            beyond=found.beyond,
            why=f"{len(found.believed)} taken over, {len(found.dropped)} forgotten; a copy is {kept.name}",
        )
        try:
            Marks(session).reset(store)
            serial = store.serial
        finally:
            store.release()
    output.tell(f"The state is sealed anew, at serial {serial}. As it was before it is kept at {kept}")
    output.remark("Run reconciler plan now: it compares what was taken over with the manifests.")
    return 0


def _found(session: Session) -> Resealing:
    from reconciler.planning.confirming import confirm

    path = session.settings.state_path
    if not session.fs.exists(path):
        raise UsageError(f"There is no state at {path}", suggestion="Run reconciler init once; it makes one.")
    doubts = [] if session.seal is not None else ["the project seal is lost; a new one will be made"]
    examined = examine(path, session.seal or HmacSha256(DataKey.generate(session.random)))
    marks = Marks(session)
    known, of_marks = marks.legible(examined.lineage)
    if examined.has_meta:
        try:
            marks.compare(examined.position, known)
        except StateRolledBack as error:
            of_marks.append(error.summary)
    # What the marks speak against is authentic, and perhaps not the newest: no more proved than what was changed.
    sound = [] if of_marks else examined.sound
    believed, dropped = confirm([*examined.claimed, *(examined.sound if of_marks else ())], session)
    return Resealing(
        doubts=[*doubts, *examined.doubts, *of_marks],
        sound=sound,
        believed=believed,
        dropped=sorted([*dropped, *examined.illegible]),
        keeps_journal=examined.has_journal and not of_marks,
        beyond=Position(
            max([examined.position.token, *(mark.token for mark in known.values())]),
            max([examined.position.serial, *(mark.serial for mark in known.values())]),
            "",
        ),
    )


def _keep_copy(session: Session) -> Path:
    path = session.settings.state_path
    when = session.clock.now().strftime("%Y%m%dT%H%M%S%f")
    kept = path.with_name(f"{path.name}.before-reseal-{when}")
    copy_store(path, kept, "state")
    return kept


def _seal(session: Session) -> Mac:
    """The project's seal; a new one when it is lost. Its state is sealed anew right after: killed in between, the next
    ``state reseal`` finds a state of another seal, and does the same."""
    if session.seal is not None:
        return session.seal
    create_seal(session.fs, session.random, session.settings.home)
    return open_seal(session.fs, session.settings.home)


def _approve(*, is_approved: bool) -> None:
    if is_approved:
        return
    if not sys.stdin.isatty():
        raise UsageError(
            "Nobody is there to approve it; nothing was changed",
            suggestion="Read what is shown above, then use --auto-approve.",
        )
    if ask("Seal the state anew as shown? Only 'yes' is taken for yes: ") != "yes":
        raise UsageError("Not approved; nothing was changed", suggestion="Only 'yes' in full is taken for yes.")
