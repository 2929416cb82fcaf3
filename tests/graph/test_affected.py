"""Ordering only what a change concerns comes to the same as ordering everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import InvalidManifests
from reconciler.graph.affected import affected
from reconciler.graph.build import build
from reconciler.model.address import Address
from reconciler.resources import registry

if TYPE_CHECKING:
    from reconciler.graph.build import Graph

KINDS = ("Key", "KeyPolicy", "Grant", "Cluster", "Snapshot", "SnapshotCopy", "Table")
ADDRESSES = [Address(f"{kind}/{name}") for kind in KINDS for name in "abc"]
REFERENCES = st.dictionaries(
    st.sampled_from(ADDRESSES), st.lists(st.sampled_from(ADDRESSES), max_size=3, unique=True).map(tuple)
)


def built(references: dict[Address, tuple[Address, ...]]) -> Graph | None:
    try:
        return build(references, registry.completes)
    except InvalidManifests:
        return None


@given(REFERENCES, st.sets(st.sampled_from(ADDRESSES), max_size=4))
def test_the_part_is_the_whole_less_what_no_change_reaches(
    references: dict[Address, tuple[Address, ...]], changed: set[Address]
) -> None:
    whole = built(references)
    if whole is None:
        return
    part = build(affected(references, changed, registry.completes), registry.completes)
    assert set(part.nodes) >= changed & references.keys()
    assert set(part.edges) == set(whole.subgraph(part.nodes).edges)
    for address in part.nodes:
        assert set(whole.successors(address)) == set(part.successors(address))


def test_what_a_change_does_not_reach_is_left_out() -> None:
    key, other, cluster, table = (Address(text) for text in ("Key/k", "Key/o", "Cluster/c", "Table/t"))
    references = {key: (), other: (), cluster: (key,), table: (other,)}
    assert affected(references, [key], registry.completes).keys() == {key, cluster}


def test_what_completes_a_key_reaches_the_others_that_name_it() -> None:
    key, policy, grant, cluster = (Address(text) for text in ("Key/k", "KeyPolicy/p", "Grant/g", "Cluster/c"))
    references = {key: (), policy: (key,), grant: (key,), cluster: (key,)}
    assert affected(references, [grant], registry.completes).keys() == {grant, cluster}
    assert affected(references, [policy], registry.completes).keys() == {policy, grant, cluster}
