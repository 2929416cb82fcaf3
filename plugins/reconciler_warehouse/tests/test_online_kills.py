"""Processes that change a cluster's encryption, write and read it are killed again and again: no row is lost or
doubled, no answer is half of a statement, no plaintext is left (RE9, I1, I14, I18)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.amounts import amount


def test_whoever_is_killed_nothing_is_lost_doubled_or_left(quick: Path) -> None:
    kills = amount(1, 25)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "reconciler_warehouse.tests.online_life", str(quick), str(kills), "6"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert all(found["kills"][kind] >= kills for kind in ("encrypt", "switch", "rotate", "re-encrypt", "decrypt"))
    assert found["statements"] > 0
    assert found["reads"] > 0
