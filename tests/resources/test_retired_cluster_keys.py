"""``retiredKeys`` of an HsmPartition: which retired cluster keys go from its token, which stay, and who is asked (RO1,
I3)."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.access.caller import Caller
from reconciler.errors import BlockedByGuard, DamagedStore
from reconciler.model.address import Address
from reconciler.model.change import Operation
from reconciler.model.recorded import Intent
from reconciler.providers.hsm import RetiredClusterKey
from reconciler.providers.retired_keys import RetiredKeys, ask_retired_keys
from reconciler.resources.hsm_partition.kind import KIND
from reconciler.resources.hsm_partition.spec import HsmPartitionSpec
from tests.hsm_in_memory import MemoryHsm
from tests.partitions_in_memory import Token, token
from tests.resources.in_memory import ACCOUNT, World, shape

VAULT = Address("HsmPartition/vault")
ARN = f"arn:aws:redshift:eu-west-1:{ACCOUNT}:hsmconfiguration:vault"
OTHER = ARN.replace("vault", "other")
LIVE, OLD, OLDER, OLDEST = ("f" * 32, "1" * 32, "2" * 32, "3" * 32)
ANYONE = Caller(principal=f"arn:aws:iam::{ACCOUNT}:role/platform", account=ACCOUNT)
DESTROYED = ["update: destroy-retired-keys"]


@dataclass
class Plane:
    """A data plane: which keys it has retired where, and which it needs. It destroys through the HSM, as ours does."""

    hsm: MemoryHsm
    retired: list[tuple[str, str]] = field(default_factory=list)
    needs: set[str] = field(default_factory=lambda: {LIVE})
    away: bool = False
    account: str = ACCOUNT
    destroyed: list[str] = field(default_factory=list)

    def retired_cluster_keys(self) -> list[RetiredClusterKey]:
        self._answer()
        now = self.hsm._services.clock.now()
        return [
            RetiredClusterKey(key_id=key_id, partition=arn, retired_at=now, is_needed=key_id in self.needs)
            for key_id, arn in self.retired
        ]

    def needed_cluster_keys(self, key_ids: Collection[str]) -> list[str]:
        self._answer()
        return sorted(self.needs & set(key_ids))

    def destroy_retired_cluster_keys(
        self, caller: Caller, key_ids: Collection[str], *, partition: str | None = None
    ) -> list[str]:
        self._answer()
        gone = [one for one in self.retired if one[0] in key_ids and partition in (None, one[1])]
        for key_id, arn in gone:
            self.hsm.destroy_cluster_key(caller, arn, key_id)
            self.retired.remove((key_id, arn))
            self.destroyed.append(key_id)
        return [key_id for key_id, _ in gone]

    def _answer(self) -> None:
        if self.away:
            raise DamagedStore("its key ring is damaged")


class Rooting:
    """A data plane that roots clusters in an HSM, and does not say which of its keys it needs."""

    def takes_hsm_root(self, node_type: str) -> bool:
        return True


@dataclass
class Asking(World):
    """A world whose data planes are these; ``undeclared`` keep something at home, and no manifest declares them."""

    planes: dict[str, object] = field(default_factory=dict)
    undeclared: dict[str, object | None] = field(default_factory=dict)

    def retired_keys(self, partition: str, key_ids: Collection[str] = ()) -> RetiredKeys:
        """As the running command answers."""

        def had(plane: object) -> Callable[[], object]:
            return lambda: plane

        planes = {name: had(plane) for name, plane in self.planes.items()}
        return ask_retired_keys(planes, lambda: self.undeclared, partition, key_ids)

    @property
    def dw(self) -> Plane:
        """The warehouse."""
        found = self.planes["dw"]
        assert isinstance(found, Plane)
        return found

    @property
    def kept(self) -> Token:
        """The HSM."""
        return token(self.project)

    def in_token(self) -> set[str]:
        """Cluster keys in the vault."""
        return {key_id for arn, key_id in self.kept.material if arn == ARN}

    def removal(self) -> Operation:
        """What a plan of now destroys."""
        (found,) = self.plan(KIND, "vault", spec()).operations
        return found


def spec(retired: str | None = "destroy", **more: Any) -> HsmPartitionSpec:
    chosen = {} if retired is None else {"retiredKeys": retired}
    return HsmPartitionSpec.model_validate(
        {"provider": "hsm", "tokenLabel": "vault", "pinFrom": {"fd": 3}, **chosen, **more}
    )


@pytest.fixture
def world(tmp_path: Path) -> Asking:
    """A vault with one key that is used and two that are retired, of a cluster that was rotated twice."""
    made = Asking(tmp_path)
    hsm = MemoryHsm.at(tmp_path, made.clock, made.random)
    made.providers["hsm"] = hsm
    made.providers["dw"] = made.planes["dw"] = Plane(hsm, [(OLD, ARN), (OLDER, ARN)])
    made.apply(KIND, "vault", spec(None))
    for key_id in (LIVE, OLD, OLDER):
        hsm.create_cluster_key(ANYONE, "vault", key_id)
    for key_id in (OLD, OLDER):
        hsm.retire_cluster_key(ANYONE, "vault", key_id)
    return made


# --- what is planned -------------------------------------------------------------------------------------------------


def nothing_retired(world: Asking) -> None:
    for key_id in (OLD, OLDER):
        world.dw.hsm.destroy_cluster_key(ANYONE, "vault", key_id)
    world.dw.retired.clear()


def needed(world: Asking) -> None:
    world.dw.needs.add(OLD)


def all_needed(world: Asking) -> None:
    world.dw.needs |= {OLD, OLDER}


def away(world: Asking) -> None:
    world.dw.away = True


def away_and_nothing_retired(world: Asking) -> None:
    nothing_retired(world)
    away(world)


def silent(world: Asking) -> None:
    world.planes["else"] = Rooting()


def unrelated(world: Asking) -> None:
    world.planes["ks"] = world.tables


def not_built(world: Asking) -> None:
    world.undeclared["warehouse of another Region"] = None


def undeclared_needs(world: Asking) -> None:
    world.undeclared["warehouse of another Region"] = Plane(world.dw.hsm, needs={OLD, OLDER})


def forgotten(world: Asking) -> None:
    world.dw.retired.clear()


def gone_from_the_token(world: Asking) -> None:
    for key_id in (OLD, OLDER):
        world.dw.hsm.destroy_cluster_key(ANYONE, "vault", key_id)


def comes_back(world: Asking) -> None:
    """As a cluster does that is moved to a replicated key."""
    kept = world.kept.cluster_keys
    kept.update((place, replace(key, retired_at=None)) for place, key in kept.items() if key.key_id == OLD)


@dataclass(frozen=True, kw_only=True)
class Case:
    """``before`` happens, ``spec`` is planned: its ``shape``, how many warnings, and what then is in the token."""

    before: Callable[[Asking], None] = lambda world: None
    spec: HsmPartitionSpec = field(default_factory=spec)
    shape: list[str]
    warnings: int = 0
    left: set[str]


BLOCKED = ["blocked: key-in-use"]
ALL = {LIVE, OLD, OLDER}
CASES = {
    "omitted: they stay": Case(spec=spec(None), shape=[], left=ALL),
    "keep: they stay": Case(spec=spec("keep"), shape=[], left=ALL),
    "keep, and nobody can be asked: not a word": Case(before=away, spec=spec("keep"), shape=[], left=ALL),
    "destroy": Case(shape=DESTROYED, left={LIVE}),
    "destroy, and nothing is retired": Case(before=nothing_retired, shape=[], left={LIVE}),
    "a key that something is under stays, and is told of": Case(
        before=needed, shape=DESTROYED, warnings=1, left={LIVE, OLD}
    ),
    "something is under all of them": Case(before=all_needed, shape=[], warnings=2, left=ALL),
    "a warehouse that does not answer may need any": Case(before=away, shape=BLOCKED, left=ALL),
    "a warehouse that does not answer, and nothing is retired": Case(
        before=away_and_nothing_retired, shape=[], left={LIVE}
    ),
    "a data plane with roots in an HSM that does not say": Case(before=silent, shape=BLOCKED, left=ALL),
    "a data plane without roots in an HSM has no say": Case(before=unrelated, shape=DESTROYED, left={LIVE}),
    "one that is at home, and cannot be built": Case(before=not_built, shape=BLOCKED, left=ALL),
    "one that is at home, and needs them": Case(before=undeclared_needs, shape=[], warnings=2, left=ALL),
    "no data plane tells of them any more": Case(before=forgotten, shape=DESTROYED, left={LIVE}),
    "gone from the token, and still told of": Case(before=gone_from_the_token, shape=DESTROYED, left={LIVE}),
    "the HSM's own record calls one used": Case(before=comes_back, shape=DESTROYED, left={LIVE, OLD}),
    "beside another change": Case(
        spec=spec(allowUnenforced=True), shape=["update: reconfigure-partition", *DESTROYED], warnings=1, left={LIVE}
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_what_becomes_of_retired_keys(world: Asking, case: Case) -> None:
    case.before(world)
    verdict = world.plan(KIND, "vault", case.spec)
    assert (shape(verdict), len(verdict.warnings)) == (case.shape, case.warnings)
    assert all(block.way_out for block in verdict.blocked)
    if not verdict.blocked:
        world.apply(KIND, "vault", case.spec)
        assert shape(world.plan(KIND, "vault", case.spec)) == []
    assert world.in_token() == case.left
    if case.shape == DESTROYED and case.left == {LIVE}:
        assert world.dw.retired == []


def test_the_plan_names_each_key_and_says_that_it_cannot_be_undone(world: Asking) -> None:
    world.dw.needs.add(OLD)
    verdict = world.plan(KIND, "vault", spec())
    ((step,), (entry,)) = (verdict.operations[0].steps, verdict.diff)
    assert not step.reversible
    assert "1 cluster key was retired" in verdict.operations[0].reason
    assert (entry.before, entry.after) == ([OLD, OLDER], [OLD])
    assert OLD in verdict.warnings[0]


def test_retired_keys_are_no_drift_and_make_no_saved_plan_stale(world: Asking) -> None:
    before = world.observe(KIND, VAULT)
    world.apply(KIND, "vault", spec("keep", allowUnenforced=True))
    world.dw.retired.append((OLDEST, ARN))
    now = world.observe(KIND, VAULT)
    assert before is not None
    assert now is not None
    assert OLDEST in now.model_dump()["retired_keys"]
    assert OLDEST not in now.steady_json()
    assert world.drift(KIND, "vault") == []


# --- right before the call -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("meanwhile", [needed, comes_back, away, silent, not_built, undeclared_needs])
def test_what_changed_since_the_plan_is_seen_and_nothing_is_destroyed(
    world: Asking, meanwhile: Callable[[Asking], None]
) -> None:
    removal = world.removal()
    meanwhile(world)
    with pytest.raises(BlockedByGuard) as refused:
        world.carry_out(VAULT, spec(), [removal])
    (problem,) = refused.value.diagnostics()
    assert (problem.code, problem.address) == ("key-in-use", "HsmPartition/vault")
    assert problem.suggestion
    assert world.in_token() == ALL
    assert world.dw.destroyed == []


def test_a_command_that_cannot_ask_destroys_nothing(world: Asking) -> None:
    deaf = World(world.project, world.clock, world.random, world.rows, world.providers)
    assert shape(deaf.plan(KIND, "vault", spec())) == BLOCKED
    with pytest.raises(BlockedByGuard):
        deaf.carry_out(VAULT, spec(), [world.removal()])
    assert world.in_token() == ALL


@pytest.mark.parametrize("before", [needed, away, silent, not_built, undeclared_needs])
def test_a_partition_that_goes_takes_no_key_that_data_elsewhere_are_under(
    world: Asking, before: Callable[[Asking], None]
) -> None:
    """HS6, I3: moved by the connection only, they are rooted in another partition, and nobody has seen its copy."""
    world.dw.needs.clear()
    (removal,) = world.plan(KIND, "vault", None).operations
    before(world)
    with pytest.raises(BlockedByGuard) as refused:
        world.carry_out(VAULT, None, [removal])
    (problem,) = refused.value.diagnostics()
    assert (problem.code, problem.address) == ("key-in-use", "HsmPartition/vault")
    assert (world.in_token(), set(world.kept.partitions)) == (ALL, {"vault"})
    world.planes, world.undeclared = {"dw": Plane(world.dw.hsm, needs=set())}, {}
    world.carry_out(VAULT, None, [removal])
    assert (world.in_token(), world.kept.partitions) == (set(), {})


def test_the_same_key_in_another_partition_that_keeps_its_own_stays_there(world: Asking) -> None:
    """It was replicated there by the vendor's tools, and is retired in both."""
    world.dw.retired.append((OLD, OTHER))
    world.apply(KIND, "vault", spec())
    assert world.dw.retired == [(OLD, OTHER)]


def test_an_interrupted_call_is_known_to_be_over_by_what_is_left(world: Asking) -> None:
    """I10."""
    facts = {"key_ids": [OLD, OLDER]}
    intent = Intent(
        number=1,
        address=VAULT,
        uid="u",
        provider="hsm",
        step="destroy-retired-keys",
        verb="update",
        token="t",
        facts=facts,
    )

    def outcome(of: Intent) -> object:
        seen = world.observe(KIND, VAULT)
        assert seen is not None
        return KIND.outcome(of, seen, world)  # type: ignore[arg-type]  # it is of this kind

    assert outcome(intent) is None
    world.dw.hsm.destroy_cluster_key(ANYONE, "vault", OLD)
    assert outcome(intent) is None
    world.apply(KIND, "vault", spec())
    assert outcome(intent) is not None
    assert outcome(replace(intent, step="reconfigure-partition")) is None
