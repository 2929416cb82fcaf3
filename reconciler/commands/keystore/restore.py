"""``reconciler keystore restore``."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.commands import output
from reconciler.commands.context import Globals
from reconciler.commands.keystore.keepers import keeper, passphrase
from reconciler.commands.session import Session
from reconciler.errors import LockHeld, ReconcilerError
from reconciler.host.process import Process
from reconciler.providers.key_store import RestoreRequest
from reconciler.providers.marks import Mark
from reconciler.state.liveness import Liveness, liveness


@click.command("restore")
@click.argument("provider")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--replace", is_flag=True, help="Let the store go that is there; a copy of it stays beside it.")
@click.option("--accept-older", is_flag=True, help="Break glass: also when newer keys are known of.")
@click.option("--seal-key", metavar="FILE", type=click.Path(path_type=Path), help="The seal key it was made under.")
@click.option(
    "--passphrase-file", metavar="FILE", type=click.Path(path_type=Path), help="Private file with its passphrase."
)
@click.option("--passphrase-fd", metavar="N", type=int, help="Descriptor that its passphrase is read from.")
@click.option("--identity-policies", is_flag=True, help="The account's are those of the backup, too, in every Region.")
@click.pass_obj
def command(flags: Globals, /, provider: str, file: Path, *, replace: bool, accept_older: bool, **opens: object) -> int:
    """Put a backup in the place of a Provider's key store, under a store key of its own.

    Before anything is touched every key in it is opened. What happened since the backup is undone: keys made since are
    gone, keys destroyed since are there again, revoked grants too. So an older one than the store in place, or than the
    project's state knows of, is refused without --accept-older. Run `reconciler plan` afterwards.

    Example: reconciler keystore restore kms /mnt/backups/kms-2026-11-22
    """
    from reconciler.views.keystore_text import render_restored

    seal_key, secret, descriptor = (opens[name] for name in ("seal_key", "passphrase_file", "passphrase_fd"))
    with Session(flags) as session:
        keeping = keeper(session, provider)
        request = RestoreRequest(
            source=file.absolute(),
            replace=replace,
            accept_older=accept_older,
            identity_policies=opens["identity_policies"] is True,
            seal_key=seal_key.absolute() if isinstance(seal_key, Path) else None,
            passphrase=passphrase(
                secret if isinstance(secret, Path) else None,
                descriptor if isinstance(descriptor, int) else None,
                "--passphrase",
            ),
            known=_known(session, accept_older=accept_older),
        )
        done = keeping.restore_store(request)
    output.tell(render_restored(done))
    output.remark("Run reconciler plan now: it compares these keys with the state and the manifests.")
    return 0


def _known(session: Session, *, accept_older: bool) -> dict[str, Mark]:
    """How far the project's state has come: of a store that knows less, newer is known. LockHeld while somebody
    applies."""
    try:
        reader = session.reader
        holder = reader.lock_holder()
        position = reader.position()
    except ReconcilerError:
        if accept_older:
            return {}  # both are lost: there is nothing to compare it with
        raise
    if holder is not None and liveness(holder, Process.current(), session.clock.now().timestamp()) in {
        Liveness.ALIVE,
        Liveness.LEASED,
    }:
        raise LockHeld(
            f"{holder.command} of {holder.who} on {holder.host} is running, and uses the keys that would be replaced",
            suggestion="Wait for it to end; `reconciler lock list` shows it.",
        )
    if not position.serial:
        return {}
    return {reader.lineage: Mark(token=position.token, serial=position.serial, head=position.head)}
