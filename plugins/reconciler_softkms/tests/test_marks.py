"""The software KMS keeps marks, and nobody who can write to its store makes one up (I16)."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from reconciler.errors import DamagedStore
from reconciler.providers.marks import Mark
from reconciler.testing.marks_contract import LINEAGE, KeepsMarksContract, mark
from reconciler_softkms import SoftKms
from reconciler_softkms.tests.conftest import ACCOUNT, REGION, Opened


class TestMarks(KeepsMarksContract):
    @pytest.fixture
    def reopened(self, opened: Opened) -> Callable[[], SoftKms]:
        return opened

    def test_looking_for_a_mark_makes_no_store(self, provider: SoftKms, home: Path) -> None:
        assert provider.mark(LINEAGE) is None
        assert not home.exists()

    def test_a_mark_is_read_where_nothing_can_be_written(self, opened: Opened, home: Path) -> None:
        one = opened()
        one.raise_mark(LINEAGE, mark(2, 3))
        one.close()
        folder = home / "softkms" / ACCOUNT / REGION
        (folder / "keys.db").chmod(0o400)
        folder.chmod(0o500)
        try:
            assert opened().mark(LINEAGE) == mark(2, 3)
        finally:
            folder.chmod(0o700)

    @pytest.mark.parametrize(
        "change", ["token = 9", "serial = 0", "head = 'cd'", "lineage = 'another'", "mac = zeroblob(32)", "mac = x''"]
    )
    def test_a_mark_that_was_changed_outside_is_refused_and_can_be_reset(
        self, opened: Opened, home: Path, change: str
    ) -> None:
        one = opened()
        one.raise_mark(LINEAGE, mark(2, 3, "ab"))
        one.close()
        with closing(sqlite3.connect(home / "softkms" / ACCOUNT / REGION / "keys.db")) as store, store:
            store.execute(f"UPDATE mark SET {change}")  # noqa: S608  # the six above
        asked = "another" if "another" in change else LINEAGE
        two = opened()
        with pytest.raises(DamagedStore, match="not what was written"):
            two.mark(asked)
        with pytest.raises(DamagedStore, match="not what was written"):
            two.raise_mark(asked, mark(3, 1))
        two.reset_mark(asked, Mark(token=3, serial=9))
        assert two.mark(asked) == Mark(token=3, serial=9)
