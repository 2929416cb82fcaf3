"""The order of a plan's operations: what the executor walks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from reconciler.model.address import Address
from reconciler.model.change import Action, Change

if TYPE_CHECKING:
    import networkx as nx

    from reconciler.graph.build import Graph, References

    OperationGraph = nx.DiGraph["Node"]

Node = tuple[Address, int]  # the n-th operation of a resource's change


def operation_graph(
    changes: Sequence[Change],
    graph: Graph,
    *,
    desired: References,
    recorded: References,
    rank: Callable[[str], int | None],
) -> OperationGraph:
    """A graph of ``(address, index)`` whose edges lead to what waits.

    The operations of one resource follow each other. A resource's operations wait for those of the resources that it
    refers to, over unchanged ones in between. What a resource referred to when it was last applied (``recorded``) and
    no longer does waits for that resource, and so do the policies and grants that complete it: first let go, then
    disable or remove. Of what completes one resource, what goes waits for what stays. ``Operation.before`` adds its
    own (SC3). ``rank`` is that of ``build``.
    """
    import networkx as nx

    walk: OperationGraph = nx.DiGraph()
    by_address = {change.address: change for change in changes if change.operations}
    for address, change in by_address.items():
        for index in range(len(change.operations)):
            walk.add_node((address, index))
            if index:
                walk.add_edge((address, index - 1), (address, index))
    _follow_references(walk, by_address, graph)
    for address, change in by_address.items():
        for index, operation in enumerate(change.operations):
            for later in operation.before:
                if later in by_address:
                    walk.add_edge((address, index), (later, 0))
    for source, target in _left(by_address, desired, recorded, rank):
        last = (source, len(by_address[source].operations) - 1)
        if not nx.has_path(walk, (target, 0), last):
            walk.add_edge(last, (target, 0))
    return walk


def _follow_references(walk: OperationGraph, changes: Mapping[Address, Change], graph: Graph) -> None:
    import networkx as nx

    nearest: dict[Address, frozenset[Address]] = {}
    for address in nx.topological_sort(graph):
        above = frozenset().union(*(nearest[before] for before in graph.predecessors(address)))
        change = changes.get(address)
        if change is None or change.action is Action.DELETE:
            nearest[address] = above
            continue
        nearest[address] = frozenset({address})
        for index, operation in enumerate(change.operations):
            if operation.waits_for_references:
                for other in above:
                    walk.add_edge((other, len(changes[other].operations) - 1), (address, index))
                break


def _left(
    changes: Mapping[Address, Change], desired: References, recorded: References, rank: Callable[[str], int | None]
) -> Iterable[tuple[Address, Address]]:
    """Pairs of a changing resource and one that it lets go of, where that one, or what completes it, changes too."""
    completers: dict[Address, list[Address]] = {}
    for source in changes:
        if rank(source.kind) is not None:
            for target in recorded.get(source, ()):
                completers.setdefault(target, []).append(source)
    for source in changes:
        for target in set(recorded.get(source, ())) - set(desired.get(source, ())):
            if target in changes:
                yield source, target
            if rank(source.kind) is None:
                yield from ((source, completer) for completer in completers.get(target, ()))
        if rank(source.kind) is not None and changes[source].action is not Action.DELETE:
            # What goes may be what the other makes up for: first the new policy, then the end of a grant.
            for target in desired.get(source, ()):
                for completer in completers.get(target, ()):
                    if changes[completer].action is Action.DELETE:
                        yield source, completer
