"""A short walk of the soak, so that it cannot rot between campaigns; ``make campaign`` walks far."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.campaign.soak import Soak

STEPS = 4


@pytest.mark.parametrize("seed", [7])
def test_a_world_changed_at_random_and_killed_at_random_loses_nothing(tmp_path: Path, seed: int) -> None:
    soak = Soak(tmp_path / "project", seed)
    try:
        soak.run(STEPS)
    except AssertionError as error:
        raise AssertionError("\n".join([f"seed {seed}", *soak.told])) from error
    assert soak.steps_done == STEPS
    assert soak.kills
