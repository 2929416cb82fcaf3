"""The order of resources: references, what completes them, cycles."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import InvalidManifests
from reconciler.graph.build import build, order
from reconciler.model.address import Address
from reconciler.resources import registry

KEY, POLICY, GRANT = Address("Key/k"), Address("KeyPolicy/p"), Address("Grant/g")
CLUSTER, SNAPSHOT, COPY = Address("Cluster/c"), Address("Snapshot/s"), Address("SnapshotCopy/x")


def position(references: dict[Address, tuple[Address, ...]]) -> dict[Address, int]:
    return {address: index for index, address in enumerate(order(build(references, registry.completes)))}


CASES = {
    "a resource waits for what it names": ({CLUSTER: (KEY,), KEY: ()}, KEY, CLUSTER),
    "a key's policy stands before whatever else uses the key": (
        {CLUSTER: (KEY,), POLICY: (KEY,), KEY: ()},
        POLICY,
        CLUSTER,
    ),
    "a policy stands before the grants of its key": ({GRANT: (KEY,), POLICY: (KEY,), KEY: ()}, POLICY, GRANT),
    "a grant stands before the cluster that may need it": ({CLUSTER: (KEY,), GRANT: (KEY,), KEY: ()}, GRANT, CLUSTER),
    "a snapshot is taken before its cluster's snapshots are copied": (
        {COPY: (CLUSTER,), SNAPSHOT: (CLUSTER,), CLUSTER: ()},
        SNAPSHOT,
        COPY,
    ),
}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_order(case: str) -> None:
    references, first, second = CASES[case]
    where = position(references)
    assert where[first] < where[second]


def test_what_a_manifest_says_itself_goes_before_what_is_implied() -> None:
    references = {CLUSTER: (KEY,), POLICY: (KEY, CLUSTER), GRANT: (KEY,), KEY: ()}
    where = position(references)
    assert where[CLUSTER] < where[POLICY]
    assert where[GRANT] < where[CLUSTER], "what does not go against it stays implied"


def test_every_cycle_is_named_and_all_in_one_run() -> None:
    references = {
        Address("Key/a"): (Address("Key/b"),),
        Address("Key/b"): (Address("Key/a"),),
        Address("Key/c"): (Address("Key/c"),),
    }
    with pytest.raises(InvalidManifests) as caught:
        build(references, registry.completes)
    assert [diagnostic.summary for diagnostic in caught.value.diagnostics()] == [
        "These resources wait for each other: Key/a → Key/b → Key/a",
        "These resources wait for each other: Key/c → Key/c",
    ]


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=60))
def test_the_order_is_the_same_for_the_same_references_in_any_order(pairs: list[tuple[int, int]]) -> None:
    references: dict[Address, tuple[Address, ...]] = {Address(f"Key/{n}"): () for n in range(21)}
    for one, other in pairs:
        if one > other:  # no cycles
            references[Address(f"Key/{one}")] += (Address(f"Key/{other}"),)
    turned = dict(reversed(references.items()))
    first = order(build(references, lambda kind: None))
    assert first == order(build(turned, lambda kind: None))
    where = {address: index for index, address in enumerate(first)}
    assert all(where[target] < where[source] for source, targets in references.items() for target in targets)
