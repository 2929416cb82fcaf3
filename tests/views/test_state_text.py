"""What a person reads of the state."""

from __future__ import annotations

from collections.abc import Callable

from reconciler.model.address import Address
from reconciler.state.store import Head
from reconciler.views.state_text import render_state, render_state_list
from tests.views import sample_plans as samples


def test_the_state_as_a_person_reads_it(golden: Callable[[str, str], None]) -> None:
    golden("state.txt", render_state(samples.ROWS, lineage="0a9c2c1e", serial=33, colour=False))


def test_an_empty_state_says_so() -> None:
    assert render_state([], lineage="0a9c2c1e", serial=0, colour=False) == "The state is empty (serial 0).\n"


def head(address: str, standing: str, *, settled: bool = True) -> Head:
    return Head(
        address=Address(address), digest=None, identity=None, links="", due_at=None, settled=settled, standing=standing
    )


def test_an_address_stands_alone_on_its_line_unless_something_is_special() -> None:
    heads = [
        head("Key/b", "retained"),
        head("Key/a", "managed"),
        head("Key/d", "leaving", settled=False),
        head("Key/c", "managed", settled=False),
    ]
    lines = render_state_list(heads, colour=False).splitlines()
    assert [line.split("  ")[0] for line in lines] == ["Key/a", "Key/b", "Key/c", "Key/d"]
    assert lines[0] == "Key/a"
    assert "retained" in lines[1]
    assert "unfinished" in lines[2]
    assert lines[3].endswith("deletion window")
