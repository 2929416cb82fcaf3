"""``reconciler show``: a saved plan, the state, or one resource as its provider describes it."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from reconciler.commands import output, saved_plan
from reconciler.commands.context import Globals
from reconciler.commands.planning import address
from reconciler.commands.session import Session
from reconciler.errors import UsageError
from reconciler.model.address import Address


@click.command("show")
@click.argument("planfile", metavar="[PLANFILE | ADDRESS]", required=False)
@click.option("--format", "form", type=click.Choice(["text", "json", "markdown"]), default="text", help="How to print.")
@click.option("--pem", is_flag=True, help="Print the public certificate of this resource, to be registered at an HSM.")
@click.pass_obj
def command(flags: Globals, /, planfile: str | None, form: str, pem: bool) -> int:
    """Show a saved plan as it was made; a cluster as its warehouse describes it now, with what is under way and what
    happened to it; or, without either, everything that the state records.

    With --pem: the public half of a client certificate, as the HSM's operator registers it. Its private key is shown to
    nobody.

    Example: reconciler show Cluster/sales
    """
    with Session(flags) as session:
        if pem:
            output.tell(_certificate(session, planfile))
            return 0
        if planfile is not None:
            meant = _resource(session, planfile)
            if meant is not None:
                _show_resource(session, meant, form)
                return 0
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


def _resource(session: Session, text: str) -> Address | None:
    """What names a resource and no file."""
    from reconciler.resources import registry

    kind, slash, _ = text.partition("/")
    is_address = slash and registry.spelled(kind) is not None and not session.fs.exists(Path(text))
    return address(text) if is_address else None


def _show_resource(session: Session, meant: Address, form: str) -> None:
    """How its provider describes it now. UsageError for a kind of which there is no more than the state records."""
    from reconciler.resources import registry
    from reconciler.resources.kind import Target

    kind = None if meant.kind == registry.PROVIDER else registry.kind(meant.kind)
    if kind is None or kind.describe is None or form == "markdown":
        raise UsageError(
            f"show takes the file of a saved plan, and {meant} is a resource"
            if kind is None or kind.describe is None
            else "Markdown is for saved plans",
            suggestion=f"What the state records of it: reconciler state show {meant}",
        )
    row = session.reader.get(meant)
    if row is None or row.identity is None:
        raise UsageError(f"{meant} is not in the state", suggestion="`reconciler apply` makes it, if it is declared.")
    shown = kind.describe(Target(address=meant, provider=row.provider, attributes=row.attributes), session)
    if shown is None:
        raise UsageError(
            f"{meant} is recorded, and Provider/{row.provider} does not have it",
            suggestion="`reconciler plan` says what to do about that.",
        )
    if form == "json":
        from reconciler.views.resource_json import resource_document

        output.tell_json(resource_document(meant, shown))
    else:
        from reconciler.views.resource_text import render_resource

        output.tell(render_resource(meant, shown, colour=output.has_colour(sys.stdout)))


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
