"""``init`` makes home, seal and state once each, and repeating it changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.errors import HostError, OtherSeal
from reconciler.host.os_fs import OsFs
from reconciler.state.initialise import Initialised, initialise
from reconciler.state.seal import open_seal
from reconciler.state.sqlite_reader import open_reader
from reconciler.testing.fakes import ManualClock, SeededRandom


def run(folder: Path, seed: int = 0) -> Initialised:
    return initialise(
        OsFs(), SeededRandom(seed), ManualClock(), home=folder / "home", state_path=folder / "state" / "state.db"
    )


def test_the_first_time_makes_everything_and_says_so(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert done.made == (tmp_path / "home", tmp_path / "home" / "seal.key", tmp_path / "state" / "state.db")
    assert [each.stat().st_mode & 0o777 for each in done.made] == [0o700, 0o600, 0o600]
    reader = open_reader(tmp_path / "state" / "state.db", open_seal(OsFs(), tmp_path / "home"))
    assert (reader.lineage, reader.serial, reader.lock_holder()) == (done.lineage, 0, None)
    reader.close()


def test_again_makes_nothing_and_keeps_seal_and_lineage(tmp_path: Path) -> None:
    first = run(tmp_path)
    tag = open_seal(OsFs(), tmp_path / "home").tag("test", b"")
    second = run(tmp_path, seed=1)
    assert (second.made, second.lineage) == ((), first.lineage)
    assert open_seal(OsFs(), tmp_path / "home").tag("test", b"") == tag


def test_a_state_that_is_missing_is_made_under_the_seal_that_is_there(tmp_path: Path) -> None:
    run(tmp_path)
    (tmp_path / "state" / "state.db").unlink()
    assert run(tmp_path, seed=1).made == (tmp_path / "state" / "state.db",)


def test_a_seal_is_never_made_for_a_state_that_is_there(tmp_path: Path) -> None:
    """Whoever takes the seal away would else have anything taken for authentic."""
    run(tmp_path)
    (tmp_path / "home" / "seal.key").unlink()
    with pytest.raises(OtherSeal, match="no project seal"):
        run(tmp_path, seed=1)
    assert not (tmp_path / "home" / "seal.key").exists()


def test_a_home_that_others_may_enter_is_closed_to_them(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir(mode=0o755)
    run(tmp_path)
    assert (tmp_path / "home").stat().st_mode & 0o777 == 0o700


def test_a_file_in_the_place_of_the_home_is_one_message(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(HostError, match="home"):
        run(tmp_path)
