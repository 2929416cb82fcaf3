"""``reconciler graph``: what waits for what."""

from __future__ import annotations

import click

from reconciler.commands import output
from reconciler.commands.context import Globals
from reconciler.commands.session import Session


@click.command("graph")
@click.option("--format", "form", type=click.Choice(["dot", "mermaid", "json"]), default="dot", help="How to print.")
@click.pass_obj
def command(flags: Globals, /, form: str) -> int:
    """Print the dependency graph of the manifests: an arrow leads to what a resource waits for.

    Example: reconciler graph --format dot | dot -Tsvg > graph.svg
    """
    from reconciler.graph.build import build, order
    from reconciler.resources import registry

    with Session(flags) as session:
        references = {
            address: resource.references for address, resource in session.declared.items() if session.is_wanted(address)
        }
        graph = build(references, registry.completes)
    nodes = order(graph)
    edges = sorted((dependent, dependency) for dependency, dependent in graph.edges)
    if form == "json":
        from reconciler.views.graph_json import graph_document

        output.tell_json(graph_document(nodes, edges))
    elif form == "mermaid":
        from reconciler.views.graph_mermaid import render_mermaid

        output.tell(render_mermaid(nodes, edges))
    else:
        from reconciler.views.graph_dot import render_dot

        output.tell(render_dot(nodes, edges))
    return 0
