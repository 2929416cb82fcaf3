"""A soak of the real command line (RELIABILITY G11): small worlds changed at random, applies killed at random moments.

    python -m tests.campaign.soak --seeds 1-20 --steps 30 [--minutes 15] [--keep FOLDER]

Each step changes the manifests, runs ``reconciler apply`` and kills it up to three times, lets it finish, and then
compares everything with a dict model (``checks``). The seed decides every change and every moment of a kill.
"""

from __future__ import annotations

import argparse
import copy
import gc
import random
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from reconciler.errors import ReconcilerError
from tests.campaign import running
from tests.campaign.behind import BEHIND
from tests.campaign.checks import arn, check
from tests.campaign.declared import HERE, PLAIN, Declared, Known, Rows
from tests.campaign.looking import looking
from tests.campaign.moves import (
    MOVES,
    Draw,
    Move,
    alias,
    another_root,
    copying_on,
    grant,
    new_cluster,
    new_key,
    policy,
    table_root,
)

SETTLED, REFUSED = 0, 4
HELD = 6
TAKEN_BACK = (another_root, another_root, another_root, table_root, table_root, alias, grant, policy, copying_on)


@dataclass
class Soak:
    """One seed's walk in one folder."""

    folder: Path
    seed: int
    steps_done: int = 0
    kills: int = 0
    refusals: int = 0
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)  # noqa: S311  # a walk that can be repeated, no secret
        self.declared, self.known = Declared(), Known()
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "reconciler.yaml").write_text("home: .reconciler\n")

    def run(self, steps: int, until: float | None = None) -> None:
        """That many steps, or until the clock (monotonic) says so."""
        draw = Draw(self.chance, (), alone=False)
        for _ in range(3):
            new_key(draw, self.declared)
        new_cluster(draw, self.declared)
        self.settle([Move("the first world")], Declared())
        for _ in range(steps):
            if until is not None and time.monotonic() > until:
                return
            self.step()
            gc.collect()

    def step(self) -> None:
        """One change, brought to its end and looked at."""
        chosen = self.chance.random()
        if chosen < 0.12:
            self.behind()
        elif chosen < 0.18:
            self.outage()
        elif chosen < 0.26:
            self.write_rows()
        elif chosen < 0.36:
            self.abandon()
        else:
            self.change()
        self.steps_done += 1

    def change(self) -> None:
        before = copy.deepcopy(self.declared)
        moves: list[Move] = []
        wanted = self.chance.choice((1, 1, 1, 2, 3))
        draw = self._draw(alone=wanted == 1)
        while len(moves) < wanted:
            move = self.chance.choice(MOVES)(draw, self.declared)
            if move is not None:
                moves.append(move)
        for address in (one for move in moves for one in move.forgets):
            gone = running.command(self.folder, "state", "rm", address)
            assert gone.code == 0, gone.err
        self.settle(moves, before)

    def settle(self, moves: Sequence[Move], before: Declared) -> None:
        """The manifests as they are now, applied; taken back when a guard refuses, which it must where it must."""
        self._tell("; ".join(move.text for move in moves))
        held = copy.deepcopy(self.known.clusters)
        self.declared.write(self.folder)
        answers = {move.refused for move in moves} | {self.declared.is_refused(before)}
        code = self.converge()
        if True in answers:
            assert code == REFUSED, f"{code}, and a guard should have refused"
        elif None not in answers:
            assert code == SETTLED, "a guard refused, and nothing was wrong"
        if code == REFUSED:
            self.refusals += 1
            self._tell("  refused")
            self.declared = before
            self.declared.write(self.folder)
            assert self.converge(kills=0) == SETTLED
        else:
            advance(self.known, before, self.declared)
        check(self.folder, self.declared, self.known, held)

    def converge(self, *arguments: str, kills: int | None = None, is_steady: bool = False) -> int:
        """Applies, killed and killed again; how the last one ended: settled or refused, and then without effect.
        ``is_steady``: no row is to change, so questions that are asked meanwhile have one answer (RE9)."""
        count = self.chance.choice((0, 1, 1, 2, 3)) if kills is None else kills
        had_effect = False
        for _ in range(count):
            gone = running.killed_apply(self.folder, self.chance, arguments)
            self.kills += gone.code < 0
            had_effect |= gone.had_effect
            assert gone.code in (-9, SETTLED, REFUSED), f"{gone.code}\n{gone.out}{gone.err}"
        if self.chance.random() < 0.1:
            both = running.two_at_once(self.folder, self.chance, arguments)
            codes = {one.code for one in both}
            assert codes <= {SETTLED, REFUSED, HELD}, "\n".join(f"{one.code}\n{one.out}{one.err}" for one in both)
            assert codes != {HELD}, "nobody held the lock, and both were sent away"
            had_effect |= any(one.had_effect for one in both)
            code = (codes - {HELD}).pop()
        else:
            process = running.start(self.folder, *arguments)
            while is_steady and self.known.clusters and process.poll() is None:
                self._read_one()
            last = running.ended(process)
            assert last.code in (SETTLED, REFUSED), f"{last.code}\n{last.out}{last.err}"
            had_effect |= last.had_effect
            code = last.code
        assert code == SETTLED or not had_effect, "refused after something had been done"
        return code

    def behind(self) -> None:
        """Somebody else's change is seen by drift, and repaired by the next apply."""
        with looking(self.folder) as seen:
            told = self.chance.choice(BEHIND)(self.chance, self.declared, seen)
        if told is None:
            return
        self._tell(f"behind our back: {told}")
        code, _ = running.drift(self.folder)
        assert code in (2, 3), code
        held = copy.deepcopy(self.known.clusters)
        assert self.converge() == SETTLED
        check(self.folder, self.declared, self.known, held)

    def abandon(self) -> None:
        """A change that leaves no trace is killed in the middle and taken back: as if nobody had asked for it."""
        before = copy.deepcopy(self.declared)
        move = self.chance.choice(TAKEN_BACK)(self._draw(), self.declared)
        if move is None or self.declared.is_refused(before) or any(one.silent for one in before.clusters.values()):
            self.declared = before  # who was silent about a root may not be so any more, once it is another
            return
        self._tell(f"{move.text}, killed and taken back")
        self.declared.write(self.folder)
        for _ in range(self.chance.choice((1, 1, 2))):
            gone = running.killed_apply(self.folder, self.chance, ())
            self.kills += gone.code < 0
            assert gone.code in (-9, SETTLED), f"{gone.code}\n{gone.out}{gone.err}"
        self.declared = before
        self.declared.write(self.folder)
        assert self.converge(is_steady=True) == SETTLED
        check(self.folder, self.declared, self.known, self.known.clusters)

    def _read_one(self) -> None:
        name = min(self.known.clusters)  # no dice: how often this runs is the machine's choice
        with looking(self.folder) as seen:
            for table, rows in self.known.clusters[name].items():
                assert seen.cluster_rows(HERE, name, table) == rows, f"{name}.{table}, read while it was changed"

    def outage(self) -> None:
        """A key in use is disabled with consent: nothing under it answers; then it comes back, and nothing is lost."""
        roots = {one.root for one in self.declared.clusters.values()} & set(self.declared.usable())
        if not roots:
            return
        name = self.chance.choice(sorted(roots))
        self._tell(f"outage of {name}")
        self.declared.keys[name].enabled = False
        self.declared.write(self.folder)
        assert self.converge() == REFUSED
        assert self.converge("--accept-outage", f"Key/{name}") == SETTLED
        assert running.command(self.folder, "plan", "--detailed-exitcode").code == SETTLED
        with looking(self.folder) as seen:
            for cluster, one in self.declared.clusters.items():
                for table in one.tables if one.root == name else ():
                    with pytest.raises(ReconcilerError, match="disabled"):
                        seen.cluster_rows(HERE, cluster, table)
        self.declared.keys[name].enabled = True
        self.declared.write(self.folder)
        assert self.converge() == SETTLED
        check(self.folder, self.declared, self.known, self.known.clusters)

    def write_rows(self) -> None:
        names = [name for name, one in self.declared.tables.items() if not one.hidden]
        if not names:
            return
        name, kept = self.chance.choice(names), self.known.tables
        rows = {
            (self.chance.randrange(3), self.chance.randrange(5)): f"CANARY-{self.chance.getrandbits(48):012x}"
            for _ in range(self.chance.choice((1, 4)))
        }
        self._tell(f"{len(rows)} rows into table {name}")
        with looking(self.folder) as seen:
            given = [{"id": number, "at": at, "note": note} for (number, at), note in rows.items()]
            seen.tables.put_rows(seen.who, "shop", name, given)
        kept.setdefault(name, {}).update(rows)
        check(self.folder, self.declared, self.known, self.known.clusters)

    def _draw(self, *, alone: bool = False) -> Draw:
        return Draw(self.chance, self._used(), alone=alone)

    def _used(self) -> set[str]:
        with looking(self.folder) as seen:
            arns = {use.key_arn for use in seen.session.census().uses}
            return {name for name in self.declared.keys if arn(seen, name) in arns}

    def _tell(self, text: str) -> None:
        self.told.append(f"{self.steps_done}: {text}")


def advance(known: Known, before: Declared, now: Declared) -> None:
    """What is known once the change from ``before`` to ``now`` is carried out."""
    for name in before.clusters.keys() - now.clusters.keys():
        known.clusters.pop(name)
        known.rotations.pop(f"Cluster/{name}", None)
    for name in before.tables.keys() - now.tables.keys():
        known.tables.pop(name, None)
    for name, cluster in now.clusters.items():
        tables = known.clusters.setdefault(name, {})
        for table, paths in cluster.tables.items():
            _load(tables, table, paths, before, now, is_replacing=cluster.mode == "replace")
        old = before.clusters.get(name)
        if old is not None and old.trigger != cluster.trigger and old.root != PLAIN:
            count = known.rotations.get(f"Cluster/{name}", 0)
            known.rotations[f"Cluster/{name}"] = count + 1
    for name, key in now.keys.items():
        if name in before.keys and before.keys[name].trigger != key.trigger:
            known.rotations[f"Key/{name}"] = known.rotations.get(f"Key/{name}", 0) + 1


def _load(
    tables: Rows, table: str, paths: Sequence[str], before: Declared, now: Declared, *, is_replacing: bool
) -> None:
    held = set(tables.get(table, []))
    missing = [path for path in paths if not held.issuperset(now.files[path])]
    was_changed = any(path in before.files and before.files[path] != now.files[path] for path in missing)
    new = paths if is_replacing and was_changed else missing
    kept = [] if is_replacing and was_changed else tables.get(table, [])
    tables[table] = sorted([*kept, *(row for path in new for row in now.files[path])])


def main(arguments: Sequence[str] | None = None) -> int:
    """Walk the seeds; 1 when one failed, with what led to it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default="1-5", help="first-last, or one")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--minutes", type=float, help="begin no step after that")
    parser.add_argument("--keep", type=Path, help="where the folder of a failed walk stays")
    given = parser.parse_args(arguments)
    first, _, last = given.seeds.partition("-")
    until = None if given.minutes is None else time.monotonic() + 60 * given.minutes
    steps = kills = refusals = failed = walked = 0
    for seed in range(int(first), int(last or first) + 1):
        if until is not None and time.monotonic() > until:
            break
        folder = Path(tempfile.mkdtemp(prefix=f"soak-{seed}-"))
        soak = Soak(folder / "project", seed)
        try:
            soak.run(given.steps, until)
        except Exception:  # a walk that fails must not end the others
            failed += 1
            sys.stdout.write("\n".join([f"seed {seed} FAILED", *soak.told[-12:], traceback.format_exc()]) + "\n")
            if given.keep is not None:
                shutil.copytree(folder, given.keep / f"seed-{seed}", dirs_exist_ok=True)
        shutil.rmtree(folder)
        walked, steps, kills = walked + 1, steps + soak.steps_done, kills + soak.kills
        refusals += soak.refusals
        sys.stdout.write(f"seed {seed}: {soak.steps_done} steps, {soak.kills} kills\n")
        sys.stdout.flush()
    sys.stdout.write(
        f"seeds from {first}: {walked} walked, {failed} failed; {steps} steps, {kills} kills, {refusals} refusals\n"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
