"""The dependency graph for Mermaid, as GitHub draws it in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from reconciler.model.address import Address
from reconciler.views.safe_text import clean

_ENTITIES = str.maketrans({character: f"#{ord(character)};" for character in "#\"'<>&;`{}[]()|\\"})


def render_mermaid(nodes: Sequence[Address], edges: Iterable[tuple[Address, Address]]) -> str:
    """A flowchart; an arrow goes from what depends to what it depends on. ``edges`` are (dependent, dependency).

    Mermaid's ids may hold no punctuation and some words (``end``) are its own, so nodes are numbered and labelled.
    """
    ids = {node: f"n{number}" for number, node in enumerate(nodes)}
    lines = ["flowchart LR"]
    lines += [f'  {identifier}["{clean(node).translate(_ENTITIES)}"]' for node, identifier in ids.items()]
    lines += [f"  {ids[dependent]} --> {ids[dependency]}" for dependent, dependency in edges]
    return "\n".join(lines) + "\n"
