"""The order of operations: what the executor walks."""

from __future__ import annotations

from dataclasses import dataclass

import networkx as nx
import pytest

from reconciler.graph.build import build
from reconciler.graph.operations import Node, operation_graph
from reconciler.model.address import Address
from reconciler.model.change import Action, Change, Operation, Verb
from reconciler.resources import registry

OLD, NEW, POLICY = Address("Key/old"), Address("Key/new"), Address("KeyPolicy/old")
CLUSTER, MIDDLE, COPY = Address("Cluster/c"), Address("Snapshot/s"), Address("SnapshotCopy/x")
References = dict[Address, tuple[Address, ...]]


@dataclass(frozen=True)
class Case:
    changes: tuple[Change, ...]
    desired: References
    recorded: References
    first: Node
    second: Node


def change(address: Address, action: Action, *operations: Operation) -> Change:
    return Change(address=address, action=action, operations=operations or (operation(Verb.UPDATE),))


def operation(verb: Verb, *, waits: bool = True, before: tuple[Address, ...] = ()) -> Operation:
    return Operation(verb=verb, reason="", steps=(), waits_for_references=waits, before=before)


RENAME_WHILE_COPYING = (
    change(
        COPY,
        Action.UPDATE,
        operation(Verb.DISABLE_COPY, waits=False, before=(CLUSTER,)),
        operation(Verb.ENABLE_COPY),
    ),
    change(CLUSTER, Action.UPDATE, operation(Verb.RENAME)),
)
CASES = {
    "operations of one resource follow each other": Case(
        (change(OLD, Action.UPDATE, operation(Verb.ENABLE), operation(Verb.ROTATE)),), {OLD: ()}, {}, (OLD, 0), (OLD, 1)
    ),
    "a change waits for what it refers to": Case(
        (change(CLUSTER, Action.CREATE), change(NEW, Action.CREATE)),
        {CLUSTER: (NEW,), NEW: ()},
        {},
        (NEW, 0),
        (CLUSTER, 0),
    ),
    "and for the last of its operations": Case(
        (change(CLUSTER, Action.CREATE), change(NEW, Action.UPDATE, operation(Verb.ENABLE), operation(Verb.ROTATE))),
        {CLUSTER: (NEW,), NEW: ()},
        {},
        (NEW, 1),
        (CLUSTER, 0),
    ),
    "also over an unchanged resource in between": Case(
        (change(COPY, Action.UPDATE), change(NEW, Action.UPDATE)),
        {COPY: (CLUSTER,), CLUSTER: (NEW,), NEW: ()},
        {},
        (NEW, 0),
        (COPY, 0),
    ),
    "a key is removed after the cluster that used it has switched": Case(
        (change(CLUSTER, Action.UPDATE), change(OLD, Action.DELETE), change(NEW, Action.CREATE)),
        {CLUSTER: (NEW,), NEW: ()},
        {CLUSTER: (OLD,), OLD: ()},
        (CLUSTER, 0),
        (OLD, 0),
    ),
    "and after the last operation of the cluster": Case(
        (
            change(CLUSTER, Action.UPDATE, operation(Verb.SWITCH_KEY), operation(Verb.ROTATE)),
            change(OLD, Action.DELETE),
        ),
        {CLUSTER: ()},
        {CLUSTER: (OLD,), OLD: ()},
        (CLUSTER, 1),
        (OLD, 0),
    ),
    "a key is disabled after the cluster that used it has switched": Case(
        (change(CLUSTER, Action.UPDATE), change(OLD, Action.UPDATE)),
        {CLUSTER: (NEW,), NEW: (), OLD: ()},
        {CLUSTER: (OLD,), OLD: (), NEW: ()},
        (CLUSTER, 0),
        (OLD, 0),
    ),
    "the old key's policy is tightened after the cluster has switched": Case(
        (change(CLUSTER, Action.UPDATE), change(POLICY, Action.UPDATE)),
        {CLUSTER: (NEW,), NEW: (), OLD: (), POLICY: (OLD,)},
        {CLUSTER: (OLD,), OLD: (), NEW: (), POLICY: (OLD,)},
        (CLUSTER, 0),
        (POLICY, 0),
    ),
    "everything is removed in the reverse order": Case(
        (change(CLUSTER, Action.DELETE), change(OLD, Action.DELETE), change(POLICY, Action.DELETE)),
        {},
        {CLUSTER: (OLD,), OLD: (), POLICY: (OLD,)},
        (CLUSTER, 0),
        (POLICY, 0),
    ),
    "an operation that does not wait stands before what its resource refers to (SC3)": Case(
        RENAME_WHILE_COPYING,
        {COPY: (CLUSTER,), CLUSTER: ()},
        {},
        (COPY, 0),
        (CLUSTER, 0),
    ),
    "and the operation after it waits for the rename (SC3)": Case(
        RENAME_WHILE_COPYING,
        {COPY: (CLUSTER,), CLUSTER: ()},
        {},
        (CLUSTER, 0),
        (COPY, 1),
    ),
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_order_of_operations(case: str) -> None:
    given = CASES[case]
    references = {**{c.address: given.recorded.get(c.address, ()) for c in given.changes}, **given.desired}
    walk = operation_graph(
        given.changes,
        build(references, registry.completes),
        desired=given.desired,
        recorded=given.recorded,
        rank=registry.completes,
    )
    assert nx.is_directed_acyclic_graph(walk)
    assert nx.has_path(walk, given.first, given.second)
