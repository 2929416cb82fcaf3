"""G13: over random reference graphs the closure of a key is that of an independent model, and no live key ever goes."""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import settings

from reconciler.model.address import Address
from reconciler.model.blast_radius import Loss
from reconciler.model.change import Action, Change, Operation, Verb
from reconciler.planning.blast_radius import blast_radius
from reconciler.planning.guards.guarding import guard
from reconciler.planning.inventory import Entry, Inventory, KeyFacts
from reconciler.providers.data import ANY_KEY
from tests.counts import count

NOW = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
GRAPHS = 10_000
PARTS = 8


@dataclass
class Graph:
    """A world of keys and of things that need keys and each other, told as plain sets."""

    keys: list[str]
    needs: dict[str, set[str]] = field(default_factory=dict)  # thing → keys and things that it is of no use without
    wrapped: dict[str, set[str]] = field(
        default_factory=dict
    )  # thing → keys that its data are under, ANY_KEY among them
    expires: dict[str, int | None] = field(default_factory=dict)  # thing → days until it goes by itself
    cluster: dict[str, str] = field(default_factory=dict)  # snapshot → the live cluster that it follows
    unreachable: list[str] = field(default_factory=list)

    def inventory(self) -> Inventory:
        entries = [
            Entry(
                what="snapshot" if thing in self.cluster else "thing",
                name=thing,
                identity=thing,
                needs=(key,),
                sealed_by=key,
                holds=True,
                follows=self.cluster.get(thing),
                expires_at=None if (days := self.expires[thing]) is None else NOW + timedelta(days=days),
            )
            for thing, keys in self.wrapped.items()
            for key in sorted(keys)
        ]
        entries += [
            Entry(what="thing", name=thing, identity=thing, needs=tuple(sorted(needed)))
            for thing, needed in self.needs.items()
            if needed
        ]
        return Inventory(
            entries=tuple(entries),
            keys={key: KeyFacts(arn=key, window_days=7) for key in self.keys},
            unreachable=tuple(self.unreachable),
        )


def drawn(chance: random.Random) -> Graph:
    graph = Graph(keys=[f"arn:aws:kms:eu-west-1:1:key/{number}" for number in range(chance.randint(1, 5))])
    things = [f"thing-{number}" for number in range(chance.randint(0, 12))]
    for place, thing in enumerate(things):
        roots = set(chance.sample(graph.keys, k=min(len(graph.keys), chance.choice((0, 1, 1, 1, 2)))))
        if roots and chance.random() < 0.05:
            roots = {ANY_KEY}
        if roots:
            graph.wrapped[thing] = roots
            graph.expires[thing] = chance.choice((None, 0, 1, 5, 40))
        # Any thing may need any other, in circles too.
        others = chance.sample(things, k=chance.choice((0, 0, 1, 2))) if len(things) > 1 else []
        graph.needs[thing] = {other for other in others if other != thing}
        if not roots and chance.random() < 0.3:
            graph.needs[thing].add(chance.choice(graph.keys))
        if roots and place and chance.random() < 0.4:
            graph.cluster[thing] = things[chance.randrange(place)]
    if chance.random() < 0.1:
        graph.unreachable = ["Provider/far"]
    return graph


def lost_with(graph: Graph, key: str) -> set[str]:
    """The model: whatever needs something lost is lost, until nothing more is."""
    lost: set[str] = set()
    while True:
        more = {
            thing
            for thing in graph.needs.keys() | graph.wrapped.keys()
            if thing not in lost
            and (graph.needs.get(thing, set()) & (lost | {key}) or graph.wrapped.get(thing, set()) & {key, ANY_KEY})
        }
        if not more:
            return lost
        lost |= more


def under(graph: Graph, key: str) -> set[str]:
    return {thing for thing, keys in graph.wrapped.items() if keys & {key, ANY_KEY}}


def check_closure(graph: Graph, inventory: Inventory, key: str) -> int:
    found = blast_radius(inventory, key, NOW)
    assert {one.identity for one in found.dependents} == lost_with(graph, key)
    sealed = under(graph, key)
    assert {one.identity for one in found.lost(Loss.UNREADABLE)} == sealed
    assert {one.identity for one in found.holding} == sealed
    days = [graph.expires[thing] for thing in sealed]
    known = [one for one in days if one is not None]
    if graph.unreachable or len(known) < len(days):
        assert found.earliest is None
    else:
        assert found.earliest == NOW + timedelta(days=max(known, default=0) + 7)
    return len(found.dependents)


def check_guard(graph: Graph, inventory: Inventory, key: str, leaving: Collection[str], *, switched: bool) -> bool:
    """Whether the deletion is refused; never is one let through while something still needs the key."""
    schedule = Operation(verb=Verb.SCHEDULE_DELETION, reason="", steps=(), cuts_off=(key,))
    change = Change(address=Address("Key/k"), action=Action.DELETE, operations=(schedule,))
    let_go = Operation(
        verb=Verb.SWITCH_KEY if switched else Verb.DELETE, reason="", steps=(), lets_go=tuple(sorted(leaving))
    )
    other = Change(address=Address("Cluster/c"), action=Action.UPDATE, operations=(let_go,))
    (checked, _) = guard(
        [change, other],
        lambda keys=None, *, to_show=False: inventory,
        accepted=[Address("Key/k")],
        now=NOW,
        row=lambda one: None,
        references={},
    )
    gone = set(leaving) | ({one for one, of in graph.cluster.items() if of in leaving} if switched else set())
    is_live = bool(under(graph, key) - gone) or bool(graph.unreachable)
    assert bool(checked.blocked) == is_live
    return is_live


@pytest.mark.parametrize("part", range(PARTS))
def test_the_census_of_random_graphs_is_the_models_and_no_live_key_goes(part: int) -> None:
    most = GRAPHS * 100 if settings().max_examples > 1_000 else GRAPHS
    chance = random.Random(part)  # noqa: S311  # graphs, no secrets
    graphs = found = refused = let_go = 0
    for _ in range(most // PARTS):
        graph = drawn(chance)
        inventory = graph.inventory()
        for key in graph.keys:
            found += check_closure(graph, inventory, key)
        key, switched = chance.choice(graph.keys), chance.random() < 0.5
        things = sorted(graph.wrapped)
        leaving = chance.sample(things, k=chance.randint(0, len(things))) if chance.random() < 0.7 else things
        is_refused = check_guard(graph, inventory, key, leaving, switched=switched)
        refused, let_go, graphs = refused + is_refused, let_go + (not is_refused), graphs + 1
    assert refused
    assert let_go
    count("G13", graphs=graphs, dependents_found=found, deletions_refused=refused, deletions_let_through=let_go)


def test_what_two_ways_lead_to_is_told_once_and_the_nearest_way() -> None:
    key = "arn:aws:kms:eu-west-1:1:key/k"
    cluster = Entry(what="cluster", name="c", identity="c", needs=(key,), sealed_by=key, holds=True)
    copying = Entry(what="copying", name="x", identity="x", needs=("c", key))
    found = blast_radius(Inventory(entries=(copying, cluster)), key, NOW)
    assert [(one.name, one.through) for one in found.dependents] == [("x", None), ("c", None)]


def test_data_of_two_wraps_under_one_key_are_counted_once() -> None:
    key = "arn:aws:kms:eu-west-1:1:key/k"
    entries = tuple(
        Entry(what="table", name="t", identity="t", needs=(one,), sealed_by=one, holds=True, bytes=7)
        for one in (key, ANY_KEY)
    )
    found = blast_radius(Inventory(entries=entries), key, NOW)
    assert (found.bytes, found.counts(Loss.UNREADABLE)) == (7, {"table": 1})


def test_a_scheduled_deletion_keeps_its_date_and_a_late_snapshot_moves_it() -> None:
    key = "arn:aws:kms:eu-west-1:1:key/k"
    facts = KeyFacts(arn=key, deletion_date=NOW + timedelta(days=9), window_days=7)
    assert blast_radius(Inventory(keys={key: facts}), key, NOW).earliest == NOW + timedelta(days=9)
    late = Entry(
        what="snapshot",
        name="s",
        identity="s",
        needs=(key,),
        sealed_by=key,
        holds=True,
        expires_at=NOW + timedelta(days=20),
    )
    held = blast_radius(Inventory(entries=(late,), keys={key: facts}), key, NOW)
    assert held.earliest == NOW + timedelta(days=27)
