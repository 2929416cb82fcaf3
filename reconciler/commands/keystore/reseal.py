"""``reconciler keystore reseal``."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.commands import output
from reconciler.commands.context import Globals
from reconciler.commands.keystore.keepers import keeper, passphrase
from reconciler.commands.session import Session


@click.command("reseal")
@click.argument("provider")
@click.option("--renew", is_flag=True, help="Make the seal and the store key anew, and put every key under it.")
@click.option(
    "--old-passphrase-file", metavar="FILE", type=click.Path(path_type=Path), help="Private file with the one before."
)
@click.option("--old-passphrase-fd", metavar="N", type=int, help="Descriptor that the one before is read from.")
@click.pass_obj
def command(
    flags: Globals, /, provider: str, *, renew: bool, old_passphrase_file: Path | None, old_passphrase_fd: int | None
) -> int:
    """Seal the key store of a Provider as its manifest declares (config.seal): by a file, a passphrase, or a key.

    Everything stays usable meanwhile, and other processes notice. Killed anywhere, the same command ends it. After
    --renew, older backups still need the seal they were made under.

    Example: reconciler keystore reseal kms --renew
    """
    from reconciler.views.keystore_text import render_resealed

    old = passphrase(old_passphrase_file, old_passphrase_fd, "--old-passphrase")
    with Session(flags) as session:
        done = keeper(session, provider).reseal_store(renew=renew, old_passphrase=old)
    output.tell(render_resealed(done))
    return 0
