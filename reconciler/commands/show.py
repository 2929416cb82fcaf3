"""``reconciler show``: a saved plan, or the state."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from reconciler.commands import output, saved_plan
from reconciler.commands.context import Globals
from reconciler.commands.planning import address
from reconciler.commands.session import Session
from reconciler.errors import UsageError


@click.command("show")
@click.argument("planfile", metavar="[PLANFILE | ADDRESS]", required=False)
@click.option("--format", "form", type=click.Choice(["text", "json", "markdown"]), default="text", help="How to print.")
@click.option("--pem", is_flag=True, help="Print the public certificate of this resource, to be registered at an HSM.")
@click.pass_obj
def command(flags: Globals, /, planfile: str | None, form: str, pem: bool) -> int:
    """Show a saved plan as it was made, or, without a file, everything that the state records.

    With --pem: the public half of a client certificate, as the HSM's operator registers it. Its private key is shown to
    nobody.

    Example: reconciler show HsmClientCertificate/link --pem
    """
    with Session(flags) as session:
        if pem:
            output.tell(_certificate(session, planfile))
            return 0
        if planfile is not None:
            _refuse_address(session, planfile)
            saved = saved_plan.load(session, Path(planfile))
            if form == "json":
                output.tell_json(dict(saved.document))
            elif form == "markdown":
                output.tell(saved.markdown)
            else:
                output.tell(saved.text)
            return 0
        if form == "markdown":
            raise UsageError(
                "Markdown is for saved plans", suggestion="Name a plan file, or use --format text or json."
            )
        reader = session.reader
        rows = [row for row in reader.all() if session.is_wanted(row.address)]
        if form == "json":
            from reconciler.views.state_json import state_document

            output.tell_json(state_document(rows, lineage=reader.lineage, serial=reader.serial))
        else:
            from reconciler.views.state_text import render_state

            colour = output.has_colour(sys.stdout)
            output.tell(render_state(rows, lineage=reader.lineage, serial=reader.serial, colour=colour))
    return 0


def _refuse_address(session: Session, text: str) -> None:
    """UsageError for what names a resource and no file."""
    from reconciler.resources import registry

    kind, slash, _ = text.partition("/")
    if slash and registry.spelled(kind) is not None and not session.fs.exists(Path(text)):
        raise UsageError(
            f"show takes the file of a saved plan, and {text} is a resource",
            suggestion=f"What the state records of it: reconciler state show {address(text)}",
        )


def _certificate(session: Session, text: str | None) -> str:
    """The certificate of a recorded resource, as PEM. UsageError."""
    from reconciler.resources import registry
    from reconciler.resources.kind import Target

    if text is None:
        raise UsageError(
            "--pem shows the certificate of a resource, and none is named",
            suggestion="Such as: reconciler show HsmClientCertificate/link --pem",
        )
    meant = address(text)
    kind = None if meant.kind == registry.PROVIDER else registry.kind(meant.kind)
    if kind is None or kind.certificate is None:
        raise UsageError(f"{meant} has no certificate", suggestion="Name an HsmClientCertificate.")
    row = session.reader.get(meant)
    if row is None or row.identity is None:
        raise UsageError(f"{meant} is not in the state", suggestion="`reconciler apply` makes it, if it is declared.")
    found: str = kind.certificate(Target(address=meant, provider=row.provider, attributes=row.attributes), session)
    return found
