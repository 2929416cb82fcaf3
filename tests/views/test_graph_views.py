"""The graph in each of its languages."""

from __future__ import annotations

import re
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.address import Address
from reconciler.views.graph_dot import render_dot
from reconciler.views.graph_mermaid import render_mermaid

KEY, ALIAS, ODD = Address("Key/orders"), Address("Alias/app/orders"), Address('Key/"];evil \\')
NODES = [KEY, ALIAS, ODD]
EDGES = [(ALIAS, KEY), (ODD, KEY)]


def test_the_graph_in_dot_and_mermaid(golden: Callable[[str, str], None]) -> None:
    golden("graph.dot", render_dot(NODES, EDGES))
    golden("graph.mmd", render_mermaid(NODES, EDGES))


@given(st.lists(st.text(min_size=1), min_size=1, unique=True))
def test_no_name_leaves_its_quotes(names: list[str]) -> None:
    nodes = [Address.of("Key", name) for name in names]
    dot = render_dot(nodes, [])
    quoted = re.findall(r'^  "(?:[^"\\]|\\.)*";$', dot, re.MULTILINE)
    assert len(quoted) == len(nodes) == len(dot.splitlines()) - 4
    mermaid = render_mermaid(nodes, [])
    labels = re.findall(r'^  n\d+\["[^"\[\]]*"\]$', mermaid, re.MULTILINE)
    assert len(labels) == len(nodes) == len(mermaid.splitlines()) - 1
