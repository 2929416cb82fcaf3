"""Killed at any write of what concerns two Regions, or material from outside: nothing is half there and usable, and the
same call ends it (I2, I11)."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from reconciler.access.caller import Caller
from reconciler.errors import ReconcilerError
from reconciler.providers.key_material import ReplicaRequest
from reconciler.providers.keys import KeyDescription, KeyRequest, KeyState
from reconciler.testing.fakes import ManualClock
from reconciler.testing.key_material_contract import FIRST, external_key, imported, parameters, wrapped
from reconciler.testing.watched_sqlite import watched_sqlite
from reconciler_softkms import SoftKms
from reconciler_softkms.tests.conftest import Opened
from reconciler_softkms.tests.killing import in_child

HERE, THERE = "eu-west-1", "us-east-1"
WRITES = ("BEGIN", "COMMIT")  # in between, SQLite has all or nothing
Change = Callable[["World", SoftKms], object]


class World:
    """A home with a multi-Region key, one with a replica, one whose replica's waiting time is over, and one that waits
    for material."""

    def __init__(self, opened: Opened, caller: Caller, clock: ManualClock, where: Path) -> None:
        self._opened = opened
        self.caller = caller
        self._original = self._where = where
        with closing(self.open()) as kms, closing(self.open(THERE)) as there:
            self.alone = self._shared(kms, "alone")
            self.key = self._shared(kms, "with a replica")
            self.dying = self._shared(kms, "with a dying replica")
            for key_id in (self.key, self.dying):
                kms.replicate_key(caller, key_id, ReplicaRequest(region=THERE))
            there.schedule_key_deletion(caller, self.dying, waiting_days=7)
            self.sealed = {key_id: kms.encrypt(caller, key_id, b"text", {}) for key_id in (self.alone, self.key)}
            clock.advance(days=6, hours=23)
            self.external = external_key(kms, caller).key_id
            given = parameters(kms, caller, self.external)
            self.import_token, self.wrapped = given.import_token, wrapped(given, FIRST)
            self.present = external_key(kms, caller).key_id
            imported(kms, caller, self.present, FIRST)
        clock.advance(hours=1)

    def _shared(self, kms: SoftKms, token: str) -> str:
        return kms.create_key(self.caller, KeyRequest(multi_region=True), token=token).key_id

    def begin_again(self) -> None:
        """Back to the first day, in another place."""
        self._where = self._original.with_name(f"{self._where.name}'")
        shutil.copytree(self._original, self._where)

    def open(self, region: str = HERE) -> SoftKms:
        return self._opened(where=self._where, region=region)

    def described(self, key_id: str, region: str = HERE) -> KeyDescription | None:
        with closing(self.open(region)) as kms:
            return kms.describe_keys(self.caller, [key_id]).get(key_id)


def replicate(world: World, kms: SoftKms) -> object:
    return kms.replicate_key(world.caller, world.alone, ReplicaRequest(region=THERE, tags={"a": "1"}))


def rotate(world: World, kms: SoftKms) -> object:
    return kms.rotate_key(world.caller, world.key, token="once")


def move(world: World, kms: SoftKms) -> object:
    kms.update_primary_region(world.caller, world.key, region=THERE)
    return None


def delete(world: World, kms: SoftKms) -> object:
    return kms.schedule_key_deletion(world.caller, world.dying, waiting_days=7)


def take(world: World, kms: SoftKms) -> object:
    return kms.import_key_material(
        world.caller, world.external, import_token=world.import_token, encrypted_material=world.wrapped
    )


def remove(world: World, kms: SoftKms) -> object:
    kms.delete_imported_key_material(world.caller, world.present)
    return None


def opens_everywhere(world: World, key_id: str) -> None:
    """Whatever Region has the key opens what any Region seals under it, and what was sealed before."""
    regions = [region for region in (HERE, THERE) if world.described(key_id, region)]
    sealed = [world.sealed[key_id]]
    for region in regions:
        with closing(world.open(region)) as kms:
            sealed.append(kms.encrypt(world.caller, key_id, b"text", {}))
    for region in regions:
        with closing(world.open(region)) as kms:
            for one in sealed:
                opened = kms.decrypt(world.caller, one, {}).plaintext
                assert bytes(opened.expose_key_bytes()) == b"text"


def half_way(world: World, what: str) -> None:
    """What stands right after the kill, before anybody did anything: nothing that is usable is half there."""
    if what == "replicate":
        found = world.described(world.alone, THERE)
        assert found is None or (dict(found.tags), found.state) == ({"a": "1"}, KeyState.ENABLED)
        opens_everywhere(world, world.alone)
    if what in ("rotate", "move"):
        opens_everywhere(world, world.key)


def whole(world: World, what: str) -> None:
    """The next process carries it out, and every Region says the same of it."""
    with closing(world.open()) as kms:
        first = None
        if what != "replicate":
            first = CHANGES[what](world, kms)
            assert CHANGES[what](world, kms) == first
        else:
            try:
                replicate(world, kms)
            except ReconcilerError as error:
                assert error.code == "AlreadyExistsException"  # it was done before the kill
    here = {key_id: world.described(key_id) for key_id in (world.alone, world.key, world.dying)}
    there = {key_id: world.described(key_id, THERE) for key_id in here}
    if what == "replicate":
        one, other = here[world.alone], there[world.alone]
        assert one and other and one.replica_arns == other.replica_arns == (other.arn,)
        assert one.material_id == other.material_id
        opens_everywhere(world, world.alone)
    if what in ("rotate", "move"):
        one, other = here[world.key], there[world.key]
        assert one and other and one.material_id == other.material_id
        assert (one.primary_arn, one.replica_arns, one.state) == (other.primary_arn, other.replica_arns, other.state)
        assert one.primary_arn == (other.arn if what == "move" else one.arn)
        assert what != "rotate" or one.material_id == first
        opens_everywhere(world, world.key)
        with closing(world.open(THERE if what == "move" else HERE)) as kms:
            (count,) = (
                kms._door.store.writing()
                .execute("SELECT count(*) FROM materials WHERE key_id = ?", (world.key,))
                .fetchone()
            )
            assert count == (2 if what == "rotate" else 1)
    if what == "delete":
        one = here[world.dying]
        assert one and one.state is KeyState.PENDING_DELETION
        assert there[world.dying] is None
    if what == "take":
        found = world.described(world.external)
        assert found and (found.state, found.material_id) == (KeyState.ENABLED, first)
    if what == "remove":
        found = world.described(world.present)
        assert found and found.state is KeyState.PENDING_IMPORT


def settled_by_the_way(world: World, what: str) -> None:
    """Any use of the key, by whomever, ends what was begun."""
    key_id = world.alone if what == "replicate" else world.key
    with closing(world.open()) as kms:
        kms.encrypt(world.caller, key_id, b"text", {})
    here, there = world.described(key_id), world.described(key_id, THERE)
    assert here is not None
    assert (there is None) == (not here.replica_arns)
    if there is not None:
        assert (here.material_id, here.primary_arn, here.replica_arns, here.state) == (
            *(there.material_id, there.primary_arn, there.replica_arns, there.state),
        )
    opens_everywhere(world, key_id)


CHANGES: dict[str, Change] = {change.__name__: change for change in (replicate, rotate, move, delete, take, remove)}


@pytest.fixture
def world(opened: Opened, caller: Caller, clock: ManualClock, quick_path: Path) -> Iterator[World]:
    yield World(opened, caller, clock, quick_path / "home")


def carried_out(world: World, what: str, killed_at: int) -> None:
    count = 0

    def begin(statement: str) -> bool:
        nonlocal count
        count += statement.lstrip().upper().startswith(WRITES)
        if count == killed_at:
            os.kill(os.getpid(), signal.SIGKILL)
        return False

    with watched_sqlite(begin):
        kms = world.open()
        CHANGES[what](world, kms)
        kms.close()


@pytest.mark.parametrize("what", CHANGES)
def test_killed_before_any_write(world: World, what: str) -> None:
    at, status = 0, -signal.SIGKILL
    while status == -signal.SIGKILL:
        at += 1
        world.begin_again()
        status = in_child(lambda: carried_out(world, what, at))  # noqa: B023 - run at once
        half_way(world, what)
        if at % 2 and what in ("replicate", "rotate", "move"):
            settled_by_the_way(world, what)
        whole(world, what)
    assert status == 0
    assert at > 2
