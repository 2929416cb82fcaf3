"""What --target, --exclude and -l leave of a plan (CONTRACT 3)."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from reconciler.errors import UsageError
from reconciler.model.address import Address
from reconciler.planning.request import PlanRequest
from reconciler.planning.selection import in_scope, refuse_unknown

KEY, ALIAS, GRANT, CLUSTER, OTHER = map(Address, ("Key/k", "Alias/a", "Grant/g", "Cluster/c", "Key/other"))
REFERENCES = {KEY: (), ALIAS: (KEY,), GRANT: (KEY,), CLUSTER: (KEY,), OTHER: ()}


@dataclass(frozen=True)
class Case:
    found: set[Address] | None
    targets: tuple[Address, ...] = ()
    excludes: tuple[Address, ...] = ()
    labelled: frozenset[Address] | None = None
    references: dict[Address, tuple[Address, ...]] = field(default_factory=lambda: dict(REFERENCES))
    destroy: bool = False


CASES = {
    "without a flag nothing is left out": Case(None),
    "a target brings what it refers to": Case({ALIAS, KEY}, targets=(ALIAS,)),
    "also what that refers to": Case(
        {CLUSTER, ALIAS, KEY}, targets=(CLUSTER,), references={**REFERENCES, CLUSTER: (ALIAS,)}
    ),
    "a target does not bring what refers to it": Case({KEY}, targets=(KEY,)),
    "several targets add up": Case({ALIAS, KEY, OTHER}, targets=(ALIAS, OTHER)),
    "an exclusion takes what refers to it along": Case({OTHER}, excludes=(KEY,)),
    "an exclusion leaves what it refers to": Case({KEY, GRANT, CLUSTER, OTHER}, excludes=(ALIAS,)),
    "exclusions are taken out of targets": Case({KEY}, targets=(ALIAS,), excludes=(ALIAS,)),
    "labels select like targets": Case({GRANT, KEY}, labelled=frozenset({GRANT})),
    "labels that fit nothing leave nothing": Case(set(), labelled=frozenset()),
    "targets and labels are both to hold": Case({KEY}, targets=(ALIAS,), labelled=frozenset({GRANT})),
    "a target that is to be destroyed leaves what it refers to": Case({ALIAS}, targets=(ALIAS,), destroy=True),
    "a target that is to be destroyed takes what refers to it along": Case(
        {KEY, ALIAS, GRANT, CLUSTER}, targets=(KEY,), destroy=True
    ),
    "labels say what is to be destroyed like targets": Case({GRANT}, labelled=frozenset({GRANT}), destroy=True),
    "what is excluded from a destroy keeps what it refers to": Case(
        {ALIAS, GRANT, OTHER}, excludes=(CLUSTER,), destroy=True
    ),
    "what is excluded from a destroy does not keep what refers to it": Case(
        {ALIAS, GRANT, CLUSTER, OTHER}, excludes=(KEY,), destroy=True
    ),
    "a resource that refers to itself ends the search": Case({KEY}, targets=(KEY,), references={KEY: (KEY,)}),
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_selection(case: str) -> None:
    given = CASES[case]
    request = PlanRequest(
        targets=given.targets, excludes=given.excludes, labelled=given.labelled, destroy=given.destroy
    )
    assert in_scope(request, given.references, given.references.keys()) == given.found


@pytest.mark.parametrize("flag", ["targets", "excludes"])
def test_a_flag_that_names_nothing_known_is_told(flag: str) -> None:
    request = (
        PlanRequest(targets=(Address("Key/x"),)) if flag == "targets" else PlanRequest(excludes=(Address("Key/x"),))
    )
    with pytest.raises(UsageError, match="Key/x is neither declared"):
        refuse_unknown(request, REFERENCES.keys())


def test_what_is_only_recorded_can_be_targeted() -> None:
    gone = Address("Key/gone")
    request = PlanRequest(targets=(gone,))
    refuse_unknown(request, {*REFERENCES, gone})
    assert in_scope(request, REFERENCES, {*REFERENCES, gone}) == {gone}
