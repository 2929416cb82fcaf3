"""What happens to a recorded resource that no manifest declares any more (I17, CONTRACT 5)."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.model.address import Address
from reconciler.model.change import Action, Change, Operation, Verb
from reconciler.model.recorded import Recorded, Standing
from reconciler.planning.removal import keep_what_is_needed, without_asking
from reconciler.planning.request import PlanRequest
from reconciler.resources import registry

KEEPING = '{"lifecycle": {"retain": true}}'
CONFIRMED, UNCONFIRMED = PlanRequest(destroy=True, confirmed=True), PlanRequest(destroy=True)


def row(address: str = "Key/k", *references: str, **fields: Any) -> Recorded:
    return Recorded(
        address=Address(address),
        uid="u",
        provider="kms",
        attributes=fields.pop("attributes", {"id": "1"}),
        references=tuple(map(Address, references)),
        **fields,
    )


CASES: dict[str, tuple[Recorded, PlanRequest, Action | None]] = {
    "what was never made is forgotten": (row(attributes={}), PlanRequest(), Action.FORGET),
    "also when it would be protected": (row(attributes={}, protected=True), PlanRequest(), Action.FORGET),
    "what is protected is kept": (row(protected=True), PlanRequest(), Action.RETAIN),
    "also from destroy": (row(protected=True), UNCONFIRMED, Action.RETAIN),
    "not from destroy confirmed by name": (row(protected=True), CONFIRMED, None),
    "a confirmation without destroy is none": (row(protected=True), PlanRequest(confirmed=True), Action.RETAIN),
    "what was declared to stay is kept": (row(spec=KEEPING), PlanRequest(), Action.RETAIN),
    "also from destroy, unless confirmed": (row(spec=KEEPING), UNCONFIRMED, Action.RETAIN),
    "then it goes too": (row(spec=KEEPING), CONFIRMED, None),
    "retain: false keeps nothing": (row(spec='{"lifecycle": {"retain": false}}'), PlanRequest(), None),
    "what nothing protects is the kind's to decide": (row(spec="{}"), PlanRequest(), None),
    "so is what is on its way out, though it was protected": (
        row(protected=True, standing=Standing.LEAVING),
        PlanRequest(),
        None,
    ),
    "what was retained stays retained": (row(protected=True, standing=Standing.RETAINED), PlanRequest(), Action.RETAIN),
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_removal(case: str) -> None:
    recorded, request, expected = CASES[case]
    verdict = without_asking(recorded, request)
    assert (None if verdict is None else verdict.action) == expected


def gone(address: str, action: Action = Action.DELETE) -> Change:
    operations = (Operation(verb=Verb.DELETE, reason="", steps=()),) if action is Action.DELETE else ()
    return Change(address=Address(address), action=action, operations=operations)


ROWS = [
    row("Key/k"),
    row("KeyPolicy/p", "Key/k"),
    row("Grant/g", "Key/k"),
    row("Alias/a", "Key/k"),
    row("Cluster/c", "Key/k"),
    row("Snapshot/s", "Cluster/c"),
]


KEPT = {
    "a cluster keeps its key, and with it the key's policy and grants": (
        "Cluster/c",
        ["Cluster/c", "Grant/g", "Key/k", "KeyPolicy/p", "Snapshot/s"],
    ),
    "an alias is needed by nobody, and needs its key": ("Alias/a", ["Alias/a", "Grant/g", "Key/k", "KeyPolicy/p"]),
    "a grant keeps its key, and the key's policy": ("Grant/g", ["Grant/g", "Key/k", "KeyPolicy/p"]),
    "nothing retained, nothing kept": ("", []),
}


@pytest.mark.parametrize("case", KEPT, ids=str)
def test_what_a_retained_object_needs_stays_too(case: str) -> None:
    retained, stays = KEPT[case]
    changes = [
        gone(recorded.address, Action.RETAIN if recorded.address == retained else Action.DELETE) for recorded in ROWS
    ]
    rows = {recorded.address: recorded for recorded in ROWS}
    kept = keep_what_is_needed(changes, rows, registry.completes)
    assert [change.address for change in kept] == [recorded.address for recorded in ROWS]
    assert sorted(change.address for change in kept if change.action is Action.RETAIN) == stays
    assert not any(change.operations for change in kept if change.action is Action.RETAIN)
