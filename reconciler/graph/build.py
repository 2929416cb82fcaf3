"""Which resource waits for which (PS2)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from reconciler.errors import Diagnostic, InvalidManifests
from reconciler.model.address import Address

if TYPE_CHECKING:
    import networkx as nx

    Graph = nx.DiGraph[Address]

References = Mapping[Address, Iterable[Address]]


def build(references: References, rank: Callable[[str], int | None]) -> Graph:
    """A graph whose edges lead from a resource to those that wait for it.

    ``references`` gives each resource those that it names; names outside the mapping are left out. ``rank`` answers,
    for a kind, how it completes what it refers to (``ResourceKind.completes``): whatever else names a key waits for
    the key's policy and grants too, lower ranks first. InvalidManifests names every cycle.
    """
    import networkx as nx

    graph: Graph = nx.DiGraph()
    graph.add_nodes_from(references)
    graph.add_edges_from(
        (target, source) for source, targets in references.items() for target in targets if target in references
    )
    _refuse_cycles(graph)
    _add_implied(graph, list(_completing(references, rank)))
    return graph


def order(graph: Graph) -> list[Address]:
    """All resources, each after those that it waits for; the same order every time."""
    import networkx as nx

    return [address for wave in nx.topological_generations(graph) for address in sorted(wave)]


def _completing(references: References, rank: Callable[[str], int | None]) -> Iterable[tuple[Address, Address]]:
    """Edges from the resources that complete a target to the others that name it."""
    completers: dict[Address, list[tuple[int, Address]]] = {}
    ranks: dict[str, int | None] = {}
    own: dict[Address, int | None] = {}
    for source, targets in references.items():
        kind = source.kind
        if kind not in ranks:
            ranks[kind] = rank(kind)
        own[source] = ranks[kind]
        found = ranks[kind]
        if found is not None:
            for target in targets:
                completers.setdefault(target, []).append((found, source))
    for source, targets in references.items():
        mine = own[source]
        for target in targets:
            for found, completer in completers.get(target, ()):
                if completer != source and (mine is None or found < mine):
                    yield completer, source


def _add_implied(graph: Graph, implied: list[tuple[Address, Address]]) -> None:
    """Add the edges, but for those that go against what manifests say themselves (``dependsOn``)."""
    import networkx as nx

    added = [edge for edge in implied if not graph.has_edge(*edge)]
    graph.add_edges_from(added)
    if nx.is_directed_acyclic_graph(graph):
        return
    where = {node: number for number, group in enumerate(nx.strongly_connected_components(graph)) for node in group}
    doubtful = sorted(edge for edge in added if where[edge[0]] == where[edge[1]])
    graph.remove_edges_from(doubtful)
    for before, after in doubtful:
        if not nx.has_path(graph, after, before):
            graph.add_edge(before, after)


def _refuse_cycles(graph: Graph) -> None:
    import networkx as nx

    if nx.is_directed_acyclic_graph(graph):
        return
    cycles = [sorted(group) for group in nx.strongly_connected_components(graph) if len(group) > 1]
    loops = [[node] for node in graph.nodes if graph.has_edge(node, node)]
    raise InvalidManifests(
        [
            Diagnostic(
                code="reference-cycle",
                summary="These resources wait for each other: " + " → ".join([*members, members[0]]),
                address=members[0],
                suggestion="Remove one of the references (or dependsOn) between them.",
            )
            for members in sorted(cycles + loops)
        ]
    )
