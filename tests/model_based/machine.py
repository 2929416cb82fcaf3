"""A state machine over a real world, beside a model of dictionaries (RELIABILITY T6).

The world is the soak's: clusters, snapshots, copies abroad and tables on the real software KMS, warehouse and table
service, changed through manifests by the command line. Here each step is a rule, so that hypothesis draws the walks and
cuts a failing one; applies run in this process or in a fork of it that is killed at a failpoint.
"""

from __future__ import annotations

import copy
import gc
import random
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from unittest.mock import patch

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from reconciler.commands import session
from reconciler.commands.context import Globals
from reconciler.commands.session import Session
from reconciler.host.os_fs import OsFs
from tests import counts
from tests.campaign import running
from tests.campaign.declared import Declared
from tests.campaign.moves import MOVES, Draw, Move, new_cluster, new_key
from tests.campaign.soak import REFUSED, SETTLED, Soak
from tests.faults import failpoints
from tests.faults.killing import short_journal

SEEDS = st.integers(0, 2**32 - 1)
KILLS = st.lists(st.integers(0, 90), max_size=2)
MEMORY = Path("/dev/shm")  # noqa: S108  # the folder made in it is ours alone


class InProcess(Soak):
    """A soak whose applies take milliseconds; ``killed_at`` says where the next ones are killed."""

    killed_at: Sequence[int] = ()

    def converge(self, *arguments: str, kills: int | None = None, is_steady: bool = False) -> int:
        before, killed_at, self.killed_at = self._serial(), self.killed_at, ()
        with short_journal(self.chance.choice((None, None, None, 1, 2, 3))):
            for at in () if kills == 0 else killed_at:
                self.kills += failpoints.kill(lambda fs: _apply(self.folder, arguments, fs), at)
            last = _apply(self.folder, arguments, OsFs())
        gc.enable()  # a command ends with its process, and collects nothing
        assert last.code in (SETTLED, REFUSED), f"{last.code}\n{last.out}{last.err}"
        assert last.code == SETTLED or self._serial() == before, "refused after something had been done"
        return last.code

    def _serial(self) -> int:
        with Session(Globals(directory=str(self.folder))) as opened:
            return opened.reader.serial


def _apply(folder: Path, arguments: Sequence[str], fs: OsFs) -> running.Ended:
    with patch.object(session, "OsFs", lambda: fs):
        return running.command(folder, "apply", "--auto-approve", "--format", "json", *arguments)


class Machine(RuleBasedStateMachine):
    """Each rule is one step; after it everything is compared with the model, byte for byte."""

    def __init__(self) -> None:
        super().__init__()
        where = MEMORY if MEMORY.is_dir() else None
        self.place = Path(tempfile.mkdtemp(prefix="machine-", dir=where))
        self.soak = InProcess(self.place / "project", 0)

    def teardown(self) -> None:
        shutil.rmtree(self.place)
        counts.count("T6", walks=1, kills=self.soak.kills, refusals=self.soak.refusals)

    @initialize(seed=SEEDS)
    def begin(self, seed: int) -> None:
        self._prepare(seed, ())
        for _ in range(3):
            new_key(self._draw(), self.soak.declared)
        new_cluster(self._draw(), self.soak.declared)
        self.soak.settle([Move("the first world")], Declared())

    @rule(first=st.integers(0, len(MOVES) - 1), seed=SEEDS, kills=KILLS)
    def change(self, first: int, seed: int, kills: list[int]) -> None:
        """The manifests say something else, and applies are killed on the way."""
        self._prepare(seed, kills)
        before = copy.deepcopy(self.soak.declared)
        draw = self.soak._draw(alone=True)
        moves = (*MOVES[first:], *MOVES[:first])  # the next one that there is something for
        made = next(done for move in moves if (done := move(draw, self.soak.declared)) is not None)
        for address in made.forgets:
            assert running.command(self.soak.folder, "state", "rm", address).code == 0
        self.soak.settle([made], before)

    @rule(seed=SEEDS, kills=KILLS)
    def behind_our_back(self, seed: int, kills: list[int]) -> None:
        """Somebody changes the world with the providers' own tools; drift says so, and the next apply repairs it."""
        self._prepare(seed, kills)
        self.soak.behind()

    @rule(seed=SEEDS)
    def outage(self, seed: int) -> None:
        """A key in use is disabled with consent, and enabled again."""
        self._prepare(seed, ())
        self.soak.outage()

    @rule(seed=SEEDS)
    def rows(self, seed: int) -> None:
        """Rows are written into a table."""
        self._prepare(seed, ())
        self.soak.write_rows()

    @invariant()
    def is_counted(self) -> None:
        """The comparison is part of each rule; here it is only told that there was a step."""
        counts.count("T6", steps=1)
        gc.collect()

    def _prepare(self, seed: int, kills: Sequence[int]) -> None:
        self.soak.chance = random.Random(seed)  # noqa: S311  # a choice that hypothesis can repeat
        self.soak.killed_at = kills

    def _draw(self) -> Draw:
        return Draw(self.soak.chance, (), alone=False)
