"""`drift --allow FILE`: what is accepted is shown and does not count; a file that is off is told in one run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.testing.fakes import SeededRandom
from tests.commands.drifting import Hands, Printed, applied, drift, hands
from tests.world import World, document

FOREVER = "- {class: attribute-changed, address: Key/k, reason: renamed by hand}\n"
FOR_A_TIME = "- {class: key-disabled, address: 'Key/*', reason: OPS-1, until: '2026-01-05'}\n"


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = applied(tmp_path / "project", document("Key", "k"))
    world.random = SeededRandom("behind")
    return world


def behind(world: World, move: Callable[[Hands], None]) -> None:
    with hands(world) as somebody:
        move(somebody)


def renamed(somebody: Hands) -> None:
    somebody.keys.update_key_description(somebody.who, somebody.of("Key/k"), "another")


def disabled(somebody: Hands) -> None:
    somebody.keys.disable_key(somebody.who, somebody.of("Key/k"))


def allowing(world: World, text: str, *arguments: str) -> Printed:
    (world.folder / "allow.yaml").write_text(text)
    return drift(world, "--allow", "allow.yaml", *arguments)


def test_what_is_allowed_is_shown_and_does_not_count(world: World) -> None:
    behind(world, renamed)
    assert drift(world).code == 2
    printed = allowing(world, FOREVER)

    assert printed.code == 0
    assert "renamed by hand (allow.yaml:1)" in printed.out
    assert "No drift but 1 allowed finding (1 resource checked)." in printed.out
    assert allowing(world, FOREVER, "--format", "json").document["summary"]["allowed"] == 1


def test_what_is_not_allowed_counts_as_ever(world: World) -> None:
    behind(world, renamed)
    behind(world, disabled)

    assert allowing(world, FOREVER).code == 3
    assert allowing(world, FOR_A_TIME).code == 2
    assert allowing(world, FOREVER + FOR_A_TIME).code == 0


def test_a_path_narrows_a_line(world: World) -> None:
    behind(world, renamed)
    line = "- {class: attribute-changed, address: Key/k, path: PATH, reason: r}\n"

    assert allowing(world, line.replace("PATH", "desc*")).code == 0
    assert allowing(world, line.replace("PATH", "tags")).code == 2


def test_a_line_holds_through_its_last_day_and_is_a_warning_after(world: World) -> None:
    behind(world, disabled)
    assert allowing(world, FOR_A_TIME).code == 0
    world.clock.advance(days=1)
    printed = allowing(world, FOR_A_TIME)

    assert printed.code == 3
    assert "key-disabled of Key/* was allowed until 2026-01-05, and counts again" in printed.err
    assert "allow.yaml:1" in printed.err


def test_a_line_that_fits_nothing_is_a_warning(world: World) -> None:
    printed = allowing(world, FOREVER)

    assert printed.code == 0
    assert "attribute-changed of Key/k is allowed, and there is no such finding" in printed.err


BAD = """\
- {class: key-disabled, address: Key/k, reason: weakens security}
- {class: key-disbled, address: Key/k, reason: a slip}
- {class: attribute-changed, adress: Key/k, reason: r}
- {class: attribute-changed, address: Key/k, reason: r, until: tomorrow}
- just a text
- {class: attribute-changed, address: Key/k, reason: ''}
"""


def test_all_that_is_wrong_with_a_file_is_told_in_one_run(world: World) -> None:
    printed = allowing(world, BAD)

    assert printed.code == 1
    assert not printed.out
    for told in (
        "allow.yaml:1:3",
        "may be allowed for a time only",
        "Did you mean key-disabled?",
        '"adress" is no field of an allow file',
        "address is missing",
        '"tomorrow" is no date',
        "must be a mapping of class, address, reason, path, until",
        "reason must be a text",
    ):
        assert told in printed.err, told
    assert "Traceback" not in printed.err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("class: key-disabled\n", "An allow file is a list"),
        ("- {class: a, class: b}\n", "allow.yaml:1:"),
        ("- &x {class: a}\n", "allow.yaml:1:"),
        ("[" * 100_000, "allow.yaml:1:"),
        ("\x00", "allow.yaml"),
    ],
    ids=["no list", "a key twice", "an anchor", "nested too deep", "no text"],
)
def test_a_file_of_another_kind_is_one_clear_error(world: World, text: str, told: str) -> None:
    printed = allowing(world, text)

    assert printed.code == 1
    assert told in printed.err
    assert "Traceback" not in printed.err


def test_a_file_that_is_not_there_is_named(world: World) -> None:
    printed = drift(world, "--allow", "none.yaml")

    assert printed.code == 1
    assert "none.yaml" in printed.err
