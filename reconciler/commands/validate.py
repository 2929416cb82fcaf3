"""``reconciler validate``: the manifests, without asking any provider."""

from __future__ import annotations

import click

from reconciler.commands import output
from reconciler.commands.context import Globals
from reconciler.commands.provider_fit import misfits
from reconciler.commands.session import Session
from reconciler.errors import Diagnostic, ReconcilerError


@click.command("validate")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="How to print.")
@click.pass_obj
def command(flags: Globals, /, form: str) -> int:
    """Check the manifests: all problems of all files in one run.

    Example: reconciler validate --format json
    """
    with Session(flags) as session:
        problems: list[Diagnostic] = []
        count = 0
        try:
            manifests = session.manifests
            count = len(manifests.resources if session.selected is None else session.selected)
            problems += [
                *session.settings.warnings,
                *manifests.warnings,
                *misfits(session, session.declared, providers=manifests.providers),
            ]
        except ReconcilerError as error:
            problems += error.diagnostics()
    if form == "json":
        from reconciler.views.diagnostics_json import diagnostics_document

        output.tell_json(diagnostics_document(problems))
    else:
        output.explain(problems)
    errors = [problem for problem in problems if problem.severity == "error"]
    if form == "text" and not errors:
        output.tell(f"{count} resources are valid.")
    return 1 if errors else 0
