"""A change killed at every failpoint, and what is left looked at before and after the next apply (RELIABILITY T1)."""

from __future__ import annotations

import itertools
import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any
from unittest.mock import patch

from reconciler.host.os_fs import OsFs
from reconciler.state.sqlite_store import SqliteState
from reconciler.testing.fakes import ManualClock, SeededRandom
from tests import counts
from tests.amounts import is_campaign
from tests.faults import failpoints
from tests.faults.failpoints import Work
from tests.faults.operations import Case
from tests.faults.portrait import difference, held, kept_secrets, portrait, secrets_open
from tests.world import World


@dataclass
class Prepared:
    """A world about to be changed. ``copy`` gives another one, of its own name, in a folder of its own.

    ``journal_keeps``: how many entries the journal keeps beside those of open steps; None: as many as it likes (T18).
    """

    case: Case
    folder: Path
    journal_keeps: int | None = None

    def __post_init__(self) -> None:
        self._numbers = itertools.count(1)
        self._clock = ManualClock()
        self.template = self._world(self.folder / "template" / "project", "start")
        if self.case.start is not None:
            declare(self.template, self.case.start, self.case.files)
            self.template.apply()
            if self.case.meanwhile is not None:
                with self.template.session() as session:
                    self.case.meanwhile(session)
            self._clock.advance(days=self.case.days)
        declare(self.template, self.case.change, {**self.case.files, **self.case.changed})
        self.secrets = kept_secrets(self.template) if self.case.start is not None else {}
        self.held = held(self.template) if self.case.start is not None else {}

    def _world(self, folder: Path, seed: str) -> World:
        folder.mkdir(parents=True, exist_ok=True)
        return World(folder, clock=ManualClock(self._clock.now()), random=SeededRandom(f"{folder}/{seed}"))

    def copy(self, source: World | None = None) -> World:
        """The same world, to be spoiled."""
        number = next(self._numbers)
        folder = self.folder / str(number) / "project"
        shutil.copytree((source or self.template).folder, folder)
        return self._world(folder, f"copy {number}")

    @contextmanager
    def copied(self, source: World | None = None) -> Iterator[World]:
        world = self.copy(source)
        yield world
        shutil.rmtree(world.folder.parent)

    @cached_property
    def verbs(self) -> set[str]:
        """What the plan of the change shows."""
        with self.copied() as world:
            plan = world.plan(**self.case.flags)
            return {str(operation.verb) for change in plan.changes for operation in change.operations}

    @property
    def stride(self) -> int:
        """Every so manyth failpoint or call is tried."""
        return 1 if is_campaign() else self.case.stride

    @cached_property
    def failpoints(self) -> list[str]:
        """Those of the change, when nothing is killed."""
        with self.copied() as world:
            return failpoints.trace(self.process(world))

    @cached_property
    def end(self) -> tuple[dict[str, list[str]], dict[str, Any], dict[str, str]]:
        """Portrait, rows and answers of sealed texts when nothing is killed."""
        with self.copied() as world:
            self.apply(world)
            return portrait(world), held(world), secrets_open(world, self.secrets)

    @cached_property
    def afterwards(self) -> dict[str, list[str]]:
        """Portrait of that world after one more change."""
        with self.copied() as world:
            self.apply(world)
            return self.one_more(world)

    def apply(self, world: World) -> None:
        """The change, to its end."""
        self.process(world)(OsFs())

    def process(self, world: World) -> Work:
        """The change, as a process of its own makes it: no two of them draw the same random bytes."""
        random = SeededRandom(f"apply {next(self._numbers)}")

        def run(fs: OsFs) -> None:
            with short_journal(self.journal_keeps):
                replace(world, fs=fs, random=random).apply(**self.case.flags)

        return run

    def one_more(self, world: World) -> dict[str, list[str]]:
        """The change after the change, and the portrait then."""
        declare(world, self.case.after, {**self.case.files, **self.case.changed})
        world.apply()
        assert not world.plan().has_changes
        return portrait(world)

    def killed(self, world: World, at: int) -> bool:
        """Whether an apply that was to be killed there got there."""
        was_killed = failpoints.kill(self.process(world), at)
        counts.count("T1", kills=int(was_killed))
        return was_killed

    def check_as_left(self, world: World) -> None:
        """Before anything is mended: what could be read can be read, and the state and journal are whole (I1, I15)."""
        with world.session() as session:
            session.reader.all()
            session.reader.open_intents()
        now, (_, later, answers) = held(world), self.end
        for name in self.held:
            allowed = [before[name] for before in (self.held, later) if name in before]
            assert now.get(name) in (allowed if name in later else [*allowed, None]), f"{name}: {now.get(name)}"
        for name, answer in secrets_open(world, self.secrets).items():
            assert answer in ("open", answers[name]), f"a text under {name}: {answer}"

    def check_recovered(self, world: World) -> None:
        """After one plain apply: as if nothing had ever been killed (I10, I11, G14)."""
        self.apply(world)
        assert not world.plan(**self.case.flags).has_changes
        found, _, answers = self.end
        _refuse(difference(found, portrait(world)))
        assert secrets_open(world, self.secrets) == answers


@contextmanager
def short_journal(keeps: int | None) -> Iterator[None]:
    """States that are opened here let their journals go after so few entries: the edges of a journal are where its bugs
    are (RELIABILITY T18)."""
    defaults = SqliteState.__init__.__kwdefaults__ or {}
    assert "journal_keeps" in defaults
    with patch.dict(defaults, {} if keeps is None else {"journal_keeps": keeps}):
        yield


def declare(world: World, manifests: str, files: dict[str, str] | Any) -> None:
    """Manifests and the data that they name."""
    world.declare(manifests)
    for name, content in files.items():
        (world.folder / "manifests" / name).write_text(content)
    (world.folder / "reconciler.yaml").write_text("home: .reconciler\n")


def kill_everywhere(prepared: Prepared) -> None:
    """At each failpoint of the change (or each ``stride``-th): what is left is whole, and the next apply ends it."""
    total = len(prepared.failpoints)
    chosen = range(0, total, prepared.stride)
    counts.count("T1", failpoints=len(chosen))
    for at in chosen:
        with prepared.copied() as world:
            assert prepared.killed(world, at), f"failpoint {at} of {total} was not reached again"
            try:
                prepared.check_as_left(world)
                prepared.check_recovered(world)
            except Exception as error:
                raise AssertionError(_where(prepared, at)) from error


def kill_again_and_again(prepared: Prepared, chance: random.Random, kills: int) -> None:
    """At least that many kills in chains: an apply is killed anywhere, the one that takes it up is killed, and so on,
    until one gets through or the chain is long enough; then one more change is carried out now and then (finding 2: the
    second crash is where the bug is)."""
    done = 0
    while done < kills:
        chain: list[int] = []
        with prepared.copied() as world:
            reach = len(prepared.failpoints)
            try:
                while len(chain) < LONGEST_CHAIN:
                    at = chance.randrange(reach) if not chain or chance.random() < FAR else chance.randrange(NEAR)
                    chain.append(at)
                    if not prepared.killed(world, at):
                        break
                    done += 1
                    prepared.check_as_left(world)
                prepared.check_recovered(world)
                if chance.random() < ONE_MORE:
                    _refuse(difference(prepared.afterwards, prepared.one_more(world)))
            except Exception as error:
                raise AssertionError(f"killed at failpoints {chain}, one apply after the other") from error
        counts.count("T1", chains=1)


LONGEST_CHAIN = 6
NEAR = 24  # failpoints from its start, where a recovery is killed mostly: there it takes up what was left
FAR = 0.3
ONE_MORE = 0.2


def _refuse(differences: list[str]) -> None:
    if differences:
        raise AssertionError("\n".join(differences))


def _where(prepared: Prepared, at: int) -> str:
    return f"killed at failpoint {at}: {prepared.failpoints[at]}"
