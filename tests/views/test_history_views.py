"""What a person reads of the journal, and of sealing a state anew."""

from __future__ import annotations

from reconciler.model.address import Address
from reconciler.model.recorded import Recorded
from reconciler.state.resealing import Resealing
from reconciler.state.store import Checked, Entry, Position, What
from reconciler.views.history_text import render_checked, render_history
from reconciler.views.reseal_text import render_reseal
from tests.views.sample_history import HISTORY


def test_a_step_and_how_it_ended_are_one_line() -> None:
    assert (
        render_history(HISTORY, colour=False)
        == """\
2026-01-05T09:00:00Z  token 4  Key/gone  delete: schedule  done (serial 1); when it began is no longer kept
2026-01-05T09:00:10Z  token 5  the lock is taken by ops on ci-7, process 4711, running "apply"
2026-01-05T09:00:20Z  token 5  Key/a  create: create-key  done (serial 2)
2026-01-05T09:00:40Z  token 5  Key/b  update: tag  abandoned: it never happened, by token 6 at 2026-01-05T09:01:00Z
2026-01-05T09:00:50Z  token 5  Key/c  update: tag  not finished: the next apply takes it up
2026-01-05T09:01:10Z  token 6  Key/a  forget: by state rm (serial 3)
2026-01-05T09:01:20Z  token 6  the state  reseal: 1 taken over (serial 3)
"""
    )


def test_nothing_to_tell_is_said() -> None:
    assert render_history([], colour=False) == "The journal has no such entry.\n"


def test_what_somebody_wrote_into_a_name_does_not_move_the_cursor() -> None:
    entry = Entry(
        seq=1, number=1, what=What.NOTED, address=Address("Key/\x1b[2J"), step="", verb="forget", serial=1, token=1,
        at=0.0, text="\x1b[31m",
    )  # fmt: skip
    assert "\x1b" not in render_history([entry], colour=False)


def test_what_was_proved_is_counted() -> None:
    assert render_checked(Checked(rows=1, entries=2, plans=0)) == (
        "Proved to be what was written, with none missing: 1 resource, 2 journal entries, 0 used plans.\n"
    )


def test_sealing_anew_says_what_becomes_of_each_row() -> None:
    row = Recorded(address=Address("Key/a"), uid="u", provider="kms", attributes={"id": "k-1"})
    found = Resealing(
        doubts=["the row of Key/a is not what was written"],
        sound=[row],
        believed=[row],
        dropped=[Address("Key/b")],
        keeps_journal=False,
        beyond=Position(1, 1, ""),
    )
    assert (
        render_reseal(found, colour=False)
        == """\
What does not fit:
  the row of Key/a is not what was written
What would be sealed:
  1 resource as recorded
  Key/a: only that it is k-1, which Provider/kms shows
  forgotten: Key/b, which no provider shows as it is recorded
  forgotten: the journal, with whatever was begun and not finished
"""
    )
