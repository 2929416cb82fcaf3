"""Each folder of ``tests/scenarios`` is a case: a starting world, manifests, and the plan that must come out.

    tests/scenarios/<case>/start/     manifests that are applied first (absent: an empty world)
    tests/scenarios/<case>/manifests/ manifests that are planned then
    tests/scenarios/<case>/meanwhile.py   optional: ``def meanwhile(session)`` changes the world behind our back
    tests/scenarios/<case>/plan.txt   the expected plan, ``state.txt`` the expected state list after apply

Providers of plugin pkcs11 are the HSM of ``tests.hsm_in_memory``. Every case ends with the law of the house: apply,
plan again, nothing to do. ``--update-golden`` rewrites the texts.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.commands.session import Session
from reconciler.errors import BlockedByGuard
from reconciler.views.plan_text import render_plan
from reconciler.views.state_text import render_state_list
from tests.world import World

HERE = Path(__file__).parent / "scenarios"
CASES = sorted(folder.name for folder in HERE.iterdir() if (folder / "manifests").is_dir())
Golden = Callable[[Path, str], None]


@pytest.mark.usefixtures("hsm_in_memory")
@pytest.mark.parametrize("case", CASES)
def test_scenario(case: str, tmp_path: Path, golden_file: Golden) -> None:
    folder = HERE / case
    world = World(tmp_path / "project")
    if (folder / "start").is_dir():
        world.declare(folder / "start")
        world.apply()
        assert not world.plan().has_changes, "the starting world does not settle"
    meanwhile = _meanwhile(folder)
    if meanwhile is not None:
        with world.session() as session:
            meanwhile(session)
    world.clock.advance(hours=1)
    world.declare(folder / "manifests")
    plan = world.plan(tell_due=True)
    golden_file(folder / "plan.txt", render_plan(plan, colour=False))
    if plan.is_blocked:
        with pytest.raises(BlockedByGuard):
            world.apply()
        return
    world.apply()
    with world.session() as session:
        golden_file(folder / "state.txt", render_state_list(session.reader.heads().values(), colour=False))
    again = world.plan()
    assert not again.has_changes, render_plan(again, colour=False)


def _meanwhile(folder: Path) -> Callable[[Session], None] | None:
    path = folder / "meanwhile.py"
    if not path.exists():
        return None
    spec = importlib.util.spec_from_file_location(f"meanwhile_{folder.name}", path)
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: Callable[[Session], None] = module.meanwhile
    return found
