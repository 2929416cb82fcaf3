"""The dependency graph for Graphviz."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from reconciler.model.address import Address
from reconciler.views.safe_text import clean


def render_dot(nodes: Sequence[Address], edges: Iterable[tuple[Address, Address]]) -> str:
    """A digraph; an arrow goes from what depends to what it depends on. ``edges`` are (dependent, dependency)."""
    lines = ["digraph reconciler {", "  rankdir=LR;", "  node [shape=box];"]
    lines += [f"  {_quoted(node)};" for node in nodes]
    lines += [f"  {_quoted(dependent)} -> {_quoted(dependency)};" for dependent, dependency in edges]
    return "\n".join([*lines, "}"]) + "\n"


def _quoted(address: Address) -> str:
    # In a quoted DOT string only the quote needs an escape, yet a backslash before it, or one that starts an escape of
    # a label (\n, \N), must not act.
    text = clean(address).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
