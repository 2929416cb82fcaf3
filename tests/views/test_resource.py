"""How one resource reads: facts in columns, events newest first, and nothing of it acts on the terminal."""

from __future__ import annotations

from reconciler.model.address import Address
from reconciler.views.resource_text import render_resource
from tests.views.sample_resource import EMPTY, SHOWN

ADDRESS = Address("Cluster/sales")
TEXT = """Cluster/sales
  status     resizing
  nodes      ra3.large × 2
  under way  encrypt, 1,000 of 4,000 bytes, 1 of 4 segments, 40 bytes a second, about 75 s left

events, newest first:
  2026-01-05 09:01:00 UTC  security: The root key of cluster sales is disabled
"""


def test_facts_stand_in_columns_and_events_newest_first() -> None:
    text = render_resource(ADDRESS, SHOWN, colour=False)
    assert text.startswith(TEXT)
    assert text.count("\n") == TEXT.count("\n") + 1


def test_what_came_from_outside_cannot_act_on_the_terminal() -> None:
    assert "\x1b" not in render_resource(ADDRESS, SHOWN, colour=False)


def test_an_error_is_loud_where_there_is_colour() -> None:
    loud = [line for line in render_resource(ADDRESS, SHOWN, colour=True).splitlines() if "\x1b[31m" in line]
    assert len(loud) == 1
    assert "disabled" in loud[0]


def test_without_events_nothing_is_said_of_them() -> None:
    assert render_resource(ADDRESS, EMPTY, colour=False) == "Cluster/sales\n  status  available\n"
