"""``reconciler verify``: proof by behaviour that everything the state knows is protected as declared. Reads only."""

from __future__ import annotations

import sys
from datetime import timedelta

import click

from reconciler.commands import output
from reconciler.commands.context import Globals
from reconciler.commands.planning import address
from reconciler.commands.session import Session
from reconciler.errors import UsageError
from reconciler.model.nearest import did_you_mean
from reconciler.model.recorded import Recorded
from reconciler.providers.proofs import Proof, Result

_PULSE = timedelta(seconds=2)


@click.command("verify")
@click.argument("addresses", metavar="[ADDR]...", nargs=-1)
@click.option("--format", "form", type=click.Choice(["text", "json", "markdown"]), default="text", help="How to print.")
@click.option("--full", is_flag=True, help="Decrypt every block, not a sample of each segment.")
@click.pass_obj
def command(flags: Globals, /, addresses: tuple[str, ...], form: str, full: bool) -> int:
    """Prove what is declared by trying it: wrapped keys open under the declared key and under no other, blocks under
    theirs, and no plaintext, key or value lies where it must not. Without addresses also state, journal and home.

    Exits 0 when all is proved, 1 when something could not be checked, 3 when something is not protected as declared.

    Example: reconciler verify Cluster/sales --full
    """
    with Session(flags) as session:
        recorded = session.reader.all()
        rows = _chosen(session, recorded, addresses)
        if rows:  # without what the manifests say nothing of it can be reached: what is wrong with them is told once
            session.manifests  # noqa: B018  # InvalidManifests
        output.explain(session.settings.warnings)
        proofs = _proofs(session, recorded, rows, is_whole=not addresses and flags.selector is None, full=full)
    _show(proofs, form, full=full)
    results = {proof.result for proof in proofs}
    return 1 if Result.UNCHECKED in results else 3 if Result.UNPROTECTED in results else 0


def _chosen(session: Session, recorded: list[Recorded], addresses: tuple[str, ...]) -> list[Recorded]:
    wanted = {address(text) for text in addresses}
    absent = sorted(wanted - {row.address for row in recorded})
    if absent:
        raise UsageError(
            f"{', '.join(absent)}: not in the state",
            suggestion=did_you_mean(absent[0], session.reader.heads())
            or "`reconciler state list` shows what is recorded.",
        )
    return [row for row in recorded if (not wanted or row.address in wanted) and session.is_wanted(row.address)]


def _proofs(
    session: Session, recorded: list[Recorded], rows: list[Recorded], *, is_whole: bool, full: bool
) -> list[Proof]:
    from reconciler.planning.verifying import proof_of_home, proof_of_state, proofs_of, proofs_of_stores, watch

    witness = watch(recorded, is_full=full, tell=_Pulse(session).tell)
    try:
        found = list(proofs_of(rows, session, witness))
        if is_whole:
            project = session.settings
            found += proofs_of_stores(rows, session, witness)
            found.append(proof_of_state(session.reader))
            found.append(proof_of_home(session.fs, project.home, project.state_path, project.directory, witness))
        return found
    finally:
        witness.needles.wipe()


class _Pulse:
    """A word to a waiting person now and then, on a terminal only."""

    def __init__(self, session: Session) -> None:
        self._clock = session.clock
        self._said = session.clock.now()
        self._is_heard = sys.stderr.isatty()

    def tell(self, text: str, done: int | None, total: int | None) -> None:
        """How far it is."""
        now = self._clock.now()
        if self._is_heard and now - self._said >= _PULSE:
            self._said = now
            how_far = "" if done is None else f" {done:,}" + ("" if total is None else f" of {total:,}")
            output.remark(f"verifying {text}{how_far}")


def _show(proofs: list[Proof], form: str, *, full: bool) -> None:
    if form == "json":
        from reconciler.views.verify_json import verify_document

        output.tell_json(verify_document(proofs, full=full))
    elif form == "markdown":
        from reconciler.views.verify_markdown import render_verify_markdown

        output.tell(render_verify_markdown(proofs))
    else:
        from reconciler.views.verify_text import render_proofs

        output.tell(render_proofs(proofs, colour=output.has_colour(sys.stdout)))
