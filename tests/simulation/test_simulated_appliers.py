"""Schedules of concurrent appliers, drawn from seeds (RELIABILITY T5, G4): one half; the other file has the rest."""

from __future__ import annotations

from pathlib import Path

from tests.amounts import amount
from tests.simulation.walking import walk


def test_no_schedule_loses_a_key_or_an_object(tmp_path: Path) -> None:
    assert walk(range(amount(10_000, 2_500_000)), tmp_path) == []
