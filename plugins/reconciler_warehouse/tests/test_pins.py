"""A reader goes on with the files that it found, whatever leaves the catalogue meanwhile (RE9)."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from reconciler.host.clock import SystemRandom
from reconciler.host.pins import oldest_pin, pinned
from reconciler.testing.quick_folder import quick_folder
from reconciler_warehouse.tests.statement_worlds import site_of
from reconciler_warehouse.tests.worlds import NONE, OWNED, World, silent
from reconciler_warehouse.upkeep import pins
from reconciler_warehouse.upkeep.drafts import let_go_of, sweep

RANDOM = SystemRandom()


def test_the_oldest_number_that_is_held(quick: Path) -> None:
    folder = quick / "pins"
    assert oldest_pin(folder) is None
    with pinned(folder, 7, RANDOM):
        assert oldest_pin(folder) == 7
        with pinned(folder, 5, RANDOM), pinned(folder, 6, RANDOM):
            assert oldest_pin(folder) == 5
        assert oldest_pin(folder) == 7
    assert oldest_pin(folder) is None
    assert list(folder.iterdir()) == []


HOLD = """
import sys, time
from pathlib import Path
from reconciler.host.clock import SystemRandom
from reconciler.host.pins import pinned
with pinned(Path(sys.argv[1]), 3, SystemRandom()):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_killed_reader_holds_nothing_up(quick: Path) -> None:
    folder = quick / "pins"
    path = os.pathsep.join(sys.path)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path}
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert oldest_pin(folder) == 3
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        assert oldest_pin(folder) is None
        assert list(folder.iterdir()) == []


def test_a_pin_that_is_being_made_is_not_taken_for_a_number(quick: Path) -> None:
    folder = quick / "pins"
    folder.mkdir()
    (folder / ".0badc0ffee").write_bytes(b"")
    assert oldest_pin(folder) is None


def test_files_that_a_reader_may_have_found_stay_until_it_is_through(world: World) -> None:
    """The reader looked at the catalogue before the encryption; the plaintext goes when it is through."""
    world.create(NONE)
    world.load(world.file("a.csv"))
    site, before = site_of(world), set(world.data_files())
    with pins.held(site):
        with site.catalogue.write() as catalogue:
            let_go_of(catalogue, ["ab" * 16 + ".1"], [])
        (site.data / ("ab" * 16 + ".1")).write_bytes(b"old")
        sweep(site)
        assert set(world.data_files()) - before == {"ab" * 16 + ".1"}
        with pins.held(site):  # one that came later needs it no more, and changes nothing for the first
            sweep(site)
            assert len(world.data_files()) == 2
    with pins.held(site):
        sweep(site)
        assert set(world.data_files()) == before
    world.warehouse().modify_encryption(world.caller, "sales", OWNED, progress=silent, token="on")
    assert len(world.data_files()) == 1


@given(st.lists(st.sampled_from(["read", "swap", "through", "sweep"]), max_size=30))
def test_no_file_goes_while_a_reader_that_saw_it_is_reading(course: list[str]) -> None:
    """A model of one segment that is written again and again, many readers and a sweeper, in any order."""
    with quick_folder() as folder:
        epoch, file, trash = 0, 0, dict[str, int]()
        there, readers = {"0"}, list[tuple[Any, str]]()
        for what in course:
            if what == "read":
                pin = pinned(folder / "pins", epoch, RANDOM)
                pin.__enter__()
                readers.append((pin, str(file)))
            elif what == "swap":
                epoch += 1
                trash[str(file)] = epoch
                file += 1
                there.add(str(file))
            elif what == "through" and readers:
                readers.pop(0)[0].__exit__(None, None, None)
            elif what == "sweep":
                oldest = oldest_pin(folder / "pins")
                gone = {name for name, since in trash.items() if oldest is None or since <= oldest}
                there -= gone
                trash = {name: since for name, since in trash.items() if name not in gone}
            assert {seen for _, seen in readers} | {str(file)} <= there
        for pin, _ in readers:
            pin.__exit__(None, None, None)
        oldest = oldest_pin(folder / "pins")
        assert oldest is None
