"""What apply and destroy share: the lock and its heartbeat, asking, walking, and how it ended."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import partial

from reconciler.applying.executor import Executor, Result
from reconciler.applying.recorder import Recorder
from reconciler.applying.recovery import close_superseded, recover
from reconciler.commands import output
from reconciler.commands.heartbeat import Heartbeat
from reconciler.commands.marking import Marks
from reconciler.commands.plan import show
from reconciler.commands.session import Session
from reconciler.commands.stopping import stopping
from reconciler.commands.upkeep import clear_up, do_due_work, expire, look_for_older_copies
from reconciler.errors import (
    BlockedByGuard,
    CollectedErrors,
    Diagnostic,
    LockHeld,
    LockLost,
    PartlyApplied,
    ReconcilerError,
    StateRolledBack,
    UsageError,
)
from reconciler.host.pulse import Pulse
from reconciler.host.streams import say_nothing_more
from reconciler.model import event
from reconciler.model.address import Address
from reconciler.model.change import Action
from reconciler.model.plan import Plan
from reconciler.resources.planned import Planned
from reconciler.state.store import StateStore
from reconciler.views.apply_text import ApplyText
from reconciler.views.quantity import count_text

HEARTBEAT_SECONDS = 15.0


@contextmanager
def holding_lock(session: Session, command: str, timeout: float, form: str) -> Iterator[None]:
    """The state's lock, kept alive; before anything else, an interrupted apply is taken up (I10, I14). What is declared
    is read again if anybody else held the lock since it was read: an older version must not be applied over a newer."""
    session.initialise()
    store = session.store
    token, was_held = store.position().token, store.lock_holder() is not None
    marks = Marks(session)
    known = marks.known(store.lineage)
    marks.compare(store.position(), known)
    taken = store.acquire(command, timeout=timeout)
    try:
        if was_held or taken.token != token + 1:
            session.read_again()
            marks = Marks(session)
        marks.compare(store.found, known)
        marks.start(store)
        with Heartbeat(partial(_beat, store, marks), every=HEARTBEAT_SECONDS) as heart:
            session.heart = heart
            for error in look_for_older_copies(session):
                output.remark(f"{error.summary}. What is due at its provider waits.")
            if store.open_intents():
                clear_up(session)  # while they are open: killed in here, the next apply does it
                recover(store, session, view(form))
            for gone in expire(session):
                output.remark(f"Expired, and removed: {gone}.")
            for done in do_due_work(session, before_the_plan=True):
                output.remark(done)
            yield
        marks.finish(store)
    except BaseException as error:
        lost = None if isinstance(error, StateRolledBack) else _loss(store, marks)
        with suppress(ReconcilerError):  # the first error is the one to report; the lock of an ended process is free
            store.release()
        if lost is not None and isinstance(error, ReconcilerError) and error.exit_code != lost.exit_code:
            # Whatever it met, it met after somebody else went on: what it says of the world may be an old story.
            raise LockLost([*error.diagnostics(), *lost.diagnostics()]) from error
        raise
    store.release()


def _loss(store: StateStore, marks: Marks) -> LockHeld | None:
    """After an error: leave the marks as they should be. LockHeld, as a value, when the lock was lost meanwhile."""
    try:
        marks.finish(store)
    except LockHeld as lost:
        return lost
    except ReconcilerError:
        return None  # the first error is the one to report
    return None


def _beat(store: StateStore, marks: Marks) -> None:
    store.heartbeat()
    marks.start(store)


def approve(plan: Plan, form: str, *, is_approved: bool) -> None:
    """Show the plan and ask. BlockedByGuard when a guard refuses any of it; UsageError when nobody can be asked."""
    if form == "text":
        show(plan, "text")
    refuse_blocked(plan)
    if is_approved or not plan.has_changes:
        return
    if not sys.stdin.isatty():
        flag = " --destroy" if plan.selection.get("destroy") else ""
        raise UsageError(
            "Nobody is there to approve the plan; nothing was changed",
            suggestion=f"Use --auto-approve, or save a plan and apply the file: reconciler plan{flag} --out FILE",
        )
    if ask("Do you want to carry this out? Only 'yes' is taken for yes: ") != "yes":
        raise UsageError("Not approved; nothing was changed", suggestion="Only 'yes' in full is taken for yes.")


def refuse_blocked(plan: Plan) -> None:
    """BlockedByGuard, with every guard that refuses any of it and the ordered way out."""
    if plan.is_blocked:
        raise BlockedByGuard(
            [
                Diagnostic(
                    code=block.guard,
                    summary=block.reason if change.address in block.reason else f"{change.address}: {block.reason}",
                    address=change.address,
                    suggestion="\n".join(f"{number}. {way}" for number, way in enumerate(block.way_out, 1)),
                )
                for change in plan.changes
                for block in change.blocked
            ]
        )


def confirm_by_name(session: Session, given: str | None, *, is_silent: bool) -> bool:
    """Whether the destruction of keys and data was confirmed by the project's name (CONTRACT 5)."""
    name = session.project.name
    if given is None and not is_silent and sys.stdin.isatty():
        given = ask(f"Type the project's name ({name}) to destroy what is protected too, or press Enter: ") or None
    if given is not None and given != name:
        raise UsageError(
            f'"{given}" is not the name of this project; nothing was changed',
            suggestion=f"It is called {name}, as its folder.",
        )
    return given is not None


def mention_kept(session: Session, plan: Plan, *, before: bool = False) -> None:
    """Tell whoever destroys what stays, and how that goes too. ``before``: it is only planned."""
    kept = sum(change.action is Action.RETAIN for change in plan.changes)
    if kept and plan.selection.get("destroy") and not plan.selection.get("confirmed"):
        output.remark(
            f"{'Would stay' if before else 'Still there'}, protected or needed by what is: "
            f"{count_text(kept, 'resource')}. `reconciler destroy --confirm {session.project.name}` destroys these too."
        )


def carry_out(session: Session, planned: Planned, form: str, *, parallelism: int) -> int:
    """Walk the plan and report; the exit code. PartlyApplied when something began and not everything was done."""
    recorder = Recorder(session.store, session, planned)
    recorder.readdress()
    if planned.plan.selection.get("refresh_only"):
        serial = recorder.accept_observations()
        _finished(form, Result(serial=serial))
        return 0
    _refuse_older_copies(session, planned)
    emit = view(form)
    heart = session.heart
    with stopping() as stop:
        session.stop = stop
        if heart is not None:
            heart.when_it_stops(stop.set)
        executor = Executor(
            services=session,
            recorder=recorder,
            census=session.census,
            emit=emit,
            parallelism=parallelism,
            stop=stop,
        )
        settled = recorder.settle_examined()
        with Pulse(emit.still_running, every=2.0) if isinstance(emit, ApplyText) else nullcontext():
            result = executor.run(planned) if planned.plan.has_changes else Result(serial=settled)
    if result.is_complete:
        close_superseded(session.store, _examined(planned))
        # Keys that can be used again bring back what was lost with them (RE8); and an interrupted change that the plan
        # had nothing to add to is still to be ended.
        for done in do_due_work(session):
            output.remark(done)
        _finished(form, result)
        return 0
    emit(event.ApplyFinished(done=result.done, failed=result.failed, skipped=result.skipped, serial=result.serial))
    raise _ended(result, form, None if heart is None else heart.failure)


def _refuse_older_copies(session: Session, planned: Planned) -> None:
    """StoreRolledBack when the plan, which may not have looked (``--no-refresh``), changes an older copy or what refers
    to one (I16); its removal was decided by name."""
    for change in planned.plan.changes:
        if change.operations and change.action is not Action.DELETE:
            row = planned.rows.get(change.address)
            for address in (
                change.address,
                *planned.references.get(change.address, ()),
                *(row.references if row else ()),
            ):
                if address in session.older_copies:
                    raise session.older_copies[address]


def _examined(planned: Planned) -> set[Address] | None:
    """The resources that a narrowed plan looked at; None: it was not narrowed."""
    selection = planned.plan.selection
    if not selection["targets"] and not selection["excludes"] and selection["labelled"] is None:
        return None
    return {change.address for change in planned.examined}


def _ended(result: Result, form: str, lock_failure: ReconcilerError | None) -> CollectedErrors:
    """How it ended, as an error whose exit code is the first that holds of 6, 4, 7, 1 (CONTRACT 4). ``lock_failure`` is
    what stopped the heartbeat."""
    codes = result.exit_codes | ({lock_failure.exit_code} if lock_failure is not None else set())
    was_lost = LockLost.exit_code in codes
    if was_lost:
        advice = (
            "The lock was taken over or broken meanwhile; nothing was begun after that. Run apply again when the other "
            "has finished: it takes up what was left."
        )
    else:
        how = "Mend the cause and run" if result.failed else "Run"
        advice = f"{how} apply again: what is finished is not repeated."
    # The view has shown each failure where it happened; what is left to say is how to go on.
    last = Diagnostic(
        code=LockLost.code if was_lost else PartlyApplied.code,
        summary=f"{count_text(result.done, 'operation')} done, {result.failed:,} failed, "
        f"{result.skipped:,} not finished",
        suggestion=advice,
    )
    shown = [last] if form == "text" else [*result.problems, last]
    if lock_failure is not None:
        shown = [*lock_failure.diagnostics(), *shown]
    if was_lost:
        return LockLost(shown)
    if BlockedByGuard.exit_code in codes:
        return BlockedByGuard(shown)
    return PartlyApplied(shown) if result.had_effect else CollectedErrors(shown)


def view(form: str) -> Callable[[event.Event], None]:
    """The view of an apply's events."""
    if form == "json":
        from reconciler.views.apply_json import ApplyJson

        return ApplyJson(_line)
    return ApplyText(_line, colour=output.has_colour(sys.stdout), monotonic=time.monotonic)


def _finished(form: str, result: Result) -> None:
    view(form)(
        event.ApplyFinished(done=result.done, failed=result.failed, skipped=result.skipped, serial=result.serial)
    )


def _line(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read along went away (| head); what is being done goes on to its end.
        say_nothing_more(sys.stdout)


def ask(question: str) -> str:
    """What the person at the terminal answers."""
    sys.stderr.write(question)
    sys.stderr.flush()
    return sys.stdin.readline().strip()


def lock_seconds(text: str) -> float:
    """A duration such as 30s, 5m, 1h as seconds. UsageError."""
    units = {"s": 1, "m": 60, "h": 3600}
    if text[-1:] in units and text[:-1].isdigit():
        return float(int(text[:-1]) * units[text[-1]])
    raise UsageError(f'"{text}" is no duration', suggestion="Write it as 30s, 5m or 1h.", path="--lock-timeout")
