from pathlib import Path

import pytest

from reconciler.commands.session import Session
from reconciler.errors import HsmFault, PartlyApplied
from tests.partitions_in_memory import token
from tests.world import World


def meanwhile(session: Session) -> None:
    """An apply finds the HSM out of reach; it is back before the next plan."""
    hsm = token(session.settings.home)
    hsm.faults["a"] = HsmFault.UNREACHABLE
    world = World(session.project, clock=session.clock, random=session.random)  # type: ignore[arg-type]  # a World's
    world.declare(Path(__file__).parent / "manifests")
    with pytest.raises(PartlyApplied, match="1 failed, 1 not finished"):
        world.apply()
    hsm.faults.clear()
