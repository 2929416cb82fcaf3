"""What a person reads of the lock."""

from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.state.liveness import Liveness
from reconciler.views.lock_text import render_lock
from tests.views.sample_plans import HOLDER

TEXT = """\
The state's lock
  held by:     ops on ci-7
  process:     4711
  command:     apply
  since:       2026-01-05T09:00:00Z
  lease until: 2026-01-05T09:01:00Z
  token:       12
  holder:      {holder}
"""


@pytest.mark.parametrize(
    ("standing", "holder"),
    [
        (Liveness.ALIVE, "alive; wait for it, or end the process"),
        (Liveness.DEAD, "dead; the next apply takes the lock over at once"),
        (Liveness.LEASED, "on another host; its lease runs, so it is taken to be alive"),
        (Liveness.EXPIRED, "on another host; its lease ran out, so the next apply takes the lock over"),
    ],
)
def test_who_holds_the_lock_and_what_that_means(standing: Liveness, holder: str) -> None:
    assert render_lock(HOLDER, standing, colour=False) == TEXT.format(holder=holder)


def test_a_free_lock_is_one_line() -> None:
    assert render_lock(None, None, colour=False) == "The lock is free.\n"


def test_what_another_host_wrote_cannot_steer_the_terminal() -> None:
    text = render_lock(replace(HOLDER, command="apply\x1b[2J", who="a\nb"), Liveness.ALIVE, colour=False)
    assert "\x1b" not in text
    assert len(text.splitlines()) == 8
