"""The dependency graph for pipelines (``schemas/graph.json``)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from reconciler.model.address import Address
from reconciler.views.json_text import FORMAT_VERSION


def graph_document(nodes: Sequence[Address], edges: Iterable[tuple[Address, Address]]) -> dict[str, Any]:
    """Nodes and edges; ``from`` depends on ``to``."""
    return {
        "formatVersion": FORMAT_VERSION,
        "nodes": [{"address": str(node), "kind": node.kind, "name": node.name} for node in nodes],
        "edges": [{"from": str(dependent), "to": str(dependency)} for dependent, dependency in edges],
    }
