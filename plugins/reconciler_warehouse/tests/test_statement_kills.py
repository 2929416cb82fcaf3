"""Statements of each kind are killed again and again beside others: no row is lost, none doubled (I1, I11, I14)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from reconciler_warehouse.tests.statement_life import KINDS
from tests.amounts import amount, is_campaign

PROGRAMME = "reconciler_warehouse.tests.statement_life"


def test_whichever_statement_is_killed_it_happens_once_or_not_at_all(quick: Path) -> None:
    kills, kinds = amount(1, 25), [*KINDS] if is_campaign() else ["COPY", "UPDATE", "DELETE", "compaction"]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", PROGRAMME, str(quick), str(kills), "7", *kinds],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert all(found["kills"][kind] >= kills for kind in kinds)
    assert found["written"] > 0
    assert found["reads"] > 0
